//! What the programs in this directory share: reading the command line, showing progress, drawing, and a dense solver
//! to compare with. What they are about, the kernels, stands in the programs.

pub mod bfgs;
pub mod command_line;
pub mod dense;
pub mod failure;
pub mod picture;
pub mod progress;
pub mod series;

pub use failure::Failure;
