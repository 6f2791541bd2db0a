//! What the benchmarks share: the points that they run on, systems with known solutions, and the truth that results are measured against.

pub mod data;
pub mod known;
pub mod reference;
