//! The reference cases of reductions, over both axes.
//!
//! The build script writes a test for each, which compares on every instruction set of this machine, in `f64` and `f32`.

use keops_solve::genred;
use keops_tests::conformance::{case, conforms};

include!(concat!(env!("OUT_DIR"), "/reductions.rs"));
