//! Every reduction except sums against plain loops in `f64`, at awkward sizes, in every type, orientation and instruction
//! set.

mod batch;
mod data;
mod exponentials;
#[path = "../kernels/mod.rs"]
mod kernels;
mod ranges;
mod selection;
