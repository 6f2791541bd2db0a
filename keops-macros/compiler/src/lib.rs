//! The compiler of keops-solve: formulas in, kernels out.
//!
//! A straight pipeline; each stage is a module with one entry function, and data flows one way.
//!
//! | stage | from | to | guarantees |
//! |---|---|---|---|
//! | [`parse`] | text | [`ast::Expr`] | well-formed, with spans |
//! | [`check`](check::check) | [`ast::Expr`] | [`dag::Dag`] | names, arities, parameters and dimensions fit; derived operations and derivatives are expanded; simplified |
//! | [`gradients`] | [`dag::Dag`] | formulas | what the gradients of a reduction are sums of |
//! | [`linearity`], [`symmetry`] | [`dag::Dag`] | facts | what a solver may rely on |
//! | [`distance`] | [`dag::Dag`] | programs | formulas that are given their squared distance in many dimensions |
//! | [`lower`](lower::lower) | [`dag::Dag`] | [`scalar::Graph`] | core instructions alone |
//! | [`split`](stages::split) | [`scalar::Graph`] | [`stages::Program`] | nothing is computed more often than it changes |
//! | [`emit`] | [`stages::Program`] | tokens | an implementation of the runtime's `Kernel` |
//!
//! [`Formula`] runs them. The operations of the language stand in one table, [`ops`]; the backends know the core
//! [`scalar::Instruction`]s alone.

pub mod alias;
pub mod ast;
pub mod check;
pub mod dag;
pub mod differential;
pub mod differentiate;
pub mod distance;
pub mod emit;
pub mod error;
pub mod formula;
pub mod gradients;
pub mod linearity;
pub mod lower;
pub mod ops;
pub mod parse;
mod print;
pub mod reduction;
pub mod reference;
pub mod scalar;
pub mod source;
mod special;
pub mod stages;
pub mod suggest;
pub mod symmetry;

pub use formula::{Formula, Shape, SolveFormula};
