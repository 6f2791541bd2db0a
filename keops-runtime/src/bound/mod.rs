//! Formulas with their arrays: what `bind` returns.

mod axis;
mod call;
mod matrix;
mod operand;
mod operation;
mod operator;
mod reduction;
mod system;

pub use axis::{Axis, Orientation};
pub use matrix::{BoundMatrix, SymbolicMatrix};
pub use operand::Operand;
pub use operation::{Operation, Sum};
pub use operator::KernelOperator;
pub use reduction::BoundReduction;
pub use system::System;

use call::Call;
