//! Formulas with their arrays: what `bind` returns.

mod adjoint;
mod axis;
mod batch;
mod call;
mod factored_sum;
mod forward;
mod forward_batch;
mod gradient;
mod kernel_matrix;
mod linear;
mod matrix;
#[cfg(feature = "cuda")]
mod on_device;
mod operand;
pub mod operation;
mod operator;
mod product;
mod rectangular;
mod reduction;
mod resident_diagonal;
mod rows;
#[cfg(feature = "cuda")]
mod solve_on_device;
mod source;
mod system;

pub use adjoint::{Adjoint, ForwardSolve, SystemGradients};
pub use axis::{Axis, Orientation};
pub use batch::{
    BatchSolution, BatchSolveError, BoundBatch, ForwardSolveBatch, MatrixBatch, Stack, SystemBatch,
    SystemBatchGradients, UnconvergedBatch,
};
pub use factored_sum::FactoredSum;
pub use forward::Forward;
pub use forward_batch::ForwardBatch;
pub use gradient::{Differentiable, DifferentiableOperation, GradientFormulas};
pub use matrix::{BoundMatrix, SymbolicMatrix};
#[cfg(feature = "cuda")]
pub use on_device::DeviceOperation;
pub use operand::Operand;
pub use operation::Operation;
pub use operator::KernelOperator;
pub use rectangular::Rectangular;
pub use reduction::BoundReduction;
#[cfg(feature = "cuda")]
pub use solve_on_device::DeviceSolution;
pub use source::{product_source, reduction_source};
pub use system::System;

use call::Call;
