//! What the benchmarks share: the points that they run on, and the truth that results are measured against.

pub mod data;
pub mod reference;
