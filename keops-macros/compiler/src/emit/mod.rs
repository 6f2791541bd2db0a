//! Code generation: a [`Program`](crate::stages::Program) in, source text out.

mod cpu;
mod cuda;
mod schedule;

pub use cpu::{kernel, live};
pub use cuda::functions as cuda_functions;
