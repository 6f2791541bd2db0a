//! Under construction.

pub use keops_runtime::solve::{
    self, ColumnReport, Failure, LinearOperator, Precision, Preconditioner, Solution, SolveError,
    SolveOptions, Tolerance, Unconverged,
};
pub use keops_runtime::{
    Accumulate, Axis, Backend, BoundMatrix, BoundReduction, CallOptions, Element, Error,
    IntoParams, IntoPoints, SumScheme, SymbolicMatrix, System, simd::InstructionSet,
};
pub use ndarray;

/// What expansions name.
#[doc(hidden)]
pub mod __private {
    pub use keops_macros::{genred, kernel_solve, lazy};
    pub use keops_runtime::kernel::{Accumulator, Fetch, Kernel};
    pub use keops_runtime::simd::{Real, Simd};
    pub use keops_runtime::{
        AliasInfo, Axis, BoundMatrix, BoundReduction, Category, Element, IntoParams, IntoPoints,
        Signature, Sum, System, scalar,
    };
    pub use std::vec;
    pub use std::vec::Vec;
}

/// A reduction.
#[macro_export]
macro_rules! genred {
    ($($tokens:tt)*) => { $crate::__private::genred! { $crate; $($tokens)* } };
}

/// A solver.
#[macro_export]
macro_rules! kernel_solve {
    ($($tokens:tt)*) => { $crate::__private::kernel_solve! { $crate; $($tokens)* } };
}

/// A symbolic matrix.
#[macro_export]
macro_rules! lazy {
    ($($tokens:tt)*) => { $crate::__private::lazy! { $crate; $($tokens)* } };
}

/// The macros, the traits and the common types.
pub mod prelude {
    pub use crate::{
        Accumulate, Backend, Element, Error, InstructionSet, LinearOperator, Preconditioner,
        Solution, SolveError, SumScheme, SymbolicMatrix, Tolerance, genred, kernel_solve, lazy,
    };
}
