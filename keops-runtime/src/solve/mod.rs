//! Solves `(alpha Id + K) a = b` for a symmetric positive semidefinite operator `K` by conjugate gradients.

mod operator;

pub use operator::{FnOperator, LinearOperator, OperatorError, Precision};
