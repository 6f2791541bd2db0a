//! The scalar intermediate representation: what a formula means, component by component.
//!
//! A [`Graph`] is a pure expression graph over the core [`Instruction`]s. Loops are binders in it: a [`Expr::Fold`] and
//! an array bind a [`LoopVar`], and a value may be used anywhere its loop variables are in scope. There are no
//! statements and no order; the emitters place each value in the outermost loop that has its variables, so loop
//! invariants leave loops by themselves and common subexpressions are shared by hash-consing.

mod algebra;
mod fuse;
mod graph;
mod index;
mod instruction;
mod interpret;

pub use fuse::fuse;
pub use graph::{
    Array, ArrayId, Expr, FoldKind, Graph, Nest, Output, Segment, Source, Stage, Value, together,
};
pub use index::{Index, LoopVar};
pub use instruction::Instruction;
pub use interpret::{Inputs, interpret, interpret_stage};
