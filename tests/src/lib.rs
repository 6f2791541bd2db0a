//! What the tests of this package share.

pub mod case;
pub mod compiled;
pub mod conformance;
pub mod data;
