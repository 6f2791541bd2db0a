//! The compiler of keops-solve: formulas in, kernels out.

pub mod alias;
pub mod ast;
pub mod error;
pub mod parse;
mod print;
pub mod source;
pub mod suggest;
