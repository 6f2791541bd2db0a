//! What expanded formulas run on: arrays in, tiles, reductions, SIMD lanes, and conjugate gradients on top.

mod error;
pub mod kernel;
pub mod simd;
pub mod solve;

pub use error::Error;
