//! The source of the kernels for vectors, which is always the same, and its constants.

use core::ffi::CStr;
use core::fmt::Write as _;

use super::PANEL;
use super::layout::THREADS;
use super::terms::{Rule, Term};

/// Numbers that are an argument of a kernel.
pub(super) const NEAR: usize = 256;
/// Products, and updates, that take one launch.
pub(super) const TOGETHER: usize = 2;
/// Columns that are copied by one launch.
pub(super) const COLUMNS: usize = 64;
/// Sums of one launch.
pub(super) const SUMS: usize = 8;
/// Rows of a leaf of a sum.
pub(super) const LEAF: usize = 1024;
/// Columns of a tile of a sum.
pub(super) const SIDE: usize = 4;

/// The kernels, in the order of the constants below.
pub(super) const KERNELS: [&CStr; 8] = [
    c"keops_add_products",
    c"keops_update",
    c"keops_copy_columns",
    c"keops_pack_single",
    c"keops_pack_double",
    c"keops_sums",
    c"keops_totals",
    c"keops_solve_small",
];
pub(super) const ADD_PRODUCTS: usize = 0;
pub(super) const UPDATE: usize = 1;
pub(super) const COPY_COLUMNS: usize = 2;
pub(super) const PACK_SINGLE: usize = 3;
pub(super) const PACK_DOUBLE: usize = 4;
pub(super) const TAKE_SUMS: usize = 5;
pub(super) const TAKE_TOTALS: usize = 6;
pub(super) const SOLVE_SMALL: usize = 7;

/// The complete source of the kernels.
pub fn source() -> String {
    let mut source = "// Operations on the vectors of a solve.\n".to_owned();
    for (name, value) in [
        ("THREADS", THREADS),
        ("NEAR", NEAR),
        ("PRODUCTS", TOGETHER),
        ("COLUMNS", COLUMNS),
        ("SUMS", SUMS),
        ("LEAF", LEAF),
        ("SIDE", SIDE),
        ("PANEL", PANEL),
        ("ADD", Rule::Add as usize),
        ("SUBTRACT", Rule::Subtract as usize),
        ("BLEND", Rule::Blend as usize),
        ("TURN", Rule::Turn as usize),
        ("SCALE", Rule::Scale as usize),
        ("DIVIDE", Rule::Divide as usize),
        ("MAGNITUDE", Rule::Magnitude as usize),
        ("ZERO", Rule::Zero as usize),
        ("PAIRS", Term::Pairs as usize),
        ("SAME", Term::Same as usize),
        ("DIFFERENCE", Term::Difference as usize),
        ("TOWARD", Term::Toward as usize),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(source, "constexpr int {name} = {value};");
    }
    source + "\n" + include_str!("kernels/vectors.cu")
}
