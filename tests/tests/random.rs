//! Random formulas, every operation and differential construct among them: kernels against values by definition.
//!
//! The fuzzer of the compiler writes the cases (`keops-macros/compiler/tests/fuzz/kernels.rs`), and the build script a test for
//! each, which compares on every instruction set of this machine.

use keops_solve::genred;
use keops_tests::conformance::{case, conforms};

include!(concat!(env!("OUT_DIR"), "/random.rs"));
