//! Under construction.

pub mod kernel;
pub mod simd;
