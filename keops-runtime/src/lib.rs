//! What expanded formulas run on: arrays in, tiles, reductions, SIMD lanes, and conjugate gradients on top.

mod bound;
mod cpu;
#[doc(hidden)]
pub mod cuda;
mod error;
pub mod gp;
mod input;
pub mod kernel;
mod lanes;
mod memory;
mod options;
pub mod ranges;
mod reduce;
mod signature;
pub mod simd;
pub mod solve;

pub use bound::{
    Adjoint, Axis, BatchSolution, BatchSolveError, BoundBatch, BoundMatrix, BoundReduction,
    Differentiable, DifferentiableOperation, FactoredSum, Forward, ForwardBatch, ForwardSolve,
    ForwardSolveBatch, GradientFormulas, KernelOperator, MatrixBatch, Operand, Operation,
    Orientation, Rectangular, Stack, SymbolicMatrix, System, SystemBatch, SystemBatchGradients,
    SystemGradients, UnconvergedBatch, operation, product_source, reduction_source,
};
#[cfg(feature = "cuda")]
pub use bound::{DeviceOperation, DeviceSolution};
#[cfg(feature = "cuda")]
pub use cuda::{DeviceElement, device_context};
#[cfg(feature = "cuda")]
pub use cudarc;
pub use error::Error;
pub use half;
pub use input::{
    Argument, BatchArgument, Element, IntoBatch, IntoParams, IntoPoints, Scalar, scalar,
};
pub use options::{Accumulate, Backend, CallOptions, SumScheme};
pub use ranges::{IntoIntervals, Ranges};
pub use signature::{AliasInfo, Category, Signature};
