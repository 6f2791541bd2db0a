//! Under construction.
#![allow(dead_code)]
#![allow(unused_imports)]

mod closure;
mod input;
