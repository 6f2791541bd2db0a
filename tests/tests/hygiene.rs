//! Formulas in the text of other macros: names are those that Rust itself would take them for.

use keops_solve::ndarray::array;
use keops_solve::prelude::*;

/// The only entry of a matrix with the point 1 on both sides.
macro_rules! entry {
    ($matrix:expr) => {
        $matrix
            .bind(&array![[1.0]], &array![[1.0]])
            .to_dense()
            .unwrap()[[0, 0]]
    };
}

macro_rules! two_captures {
    ($s:expr) => {{
        let s = 2.0;
        entry!(lazy!(|x: Vi(1), y: Vj(1)| 0 * x * y + s + 10.0 * $s))
    }};
}

macro_rules! beside_a_parameter {
    ($s:expr) => {
        entry!(lazy!(|x: Vi(1), y: Vj(1)| 0 * x * y + x + 10.0 * $s))
    };
}

macro_rules! beside_a_binding {
    ($s:expr) => {
        entry!(lazy!(|x: Vi(1), y: Vj(1)| {
            let t = 5.0 + 0 * x * y;
            t + 10.0 * $s
        }))
    };
}

macro_rules! bound_twice {
    ($t:ident) => {
        entry!(lazy!(|x: Vi(1), y: Vj(1)| {
            let t = 5.0 + 0 * x * y;
            let $t = 2.0 * t;
            t + 10.0 * $t
        }))
    };
}

macro_rules! named_by_the_caller {
    ($x:ident, $kernel:expr) => {
        entry!(lazy!(|$x: Vi(1), y: Vj(1)| $kernel + 0 * y))
    };
}

#[test]
fn names_of_a_macro_are_not_those_of_its_caller() {
    let (s, x, t) = (3.0, 7.0, 4.0);
    assert_eq!(two_captures!(s), 32.0);
    assert_eq!(beside_a_parameter!(x), 71.0);
    assert_eq!(beside_a_binding!(t), 45.0);
    assert_eq!(bound_twice!(t), 105.0);
    assert_eq!(named_by_the_caller!(z, 3.0 * z + 0.5 * s), 4.5);
}
