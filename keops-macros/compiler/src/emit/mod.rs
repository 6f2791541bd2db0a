//! Code generation: a [`Program`](crate::stages::Program) in, source text out.

mod cpu;

pub use cpu::kernel;
