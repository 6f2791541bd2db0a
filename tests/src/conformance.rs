//! How a compiled formula is compared with a reference case.

use std::sync::LazyLock;

use keops_solve::ndarray::{Array2, Array3};
use keops_solve::{Element, Error, InstructionSet};

use crate::case::{Case, Output, parse};

/// An element type, and how close to the reference formulas of it come.
pub trait Precision: Element {
    /// The largest difference that is accepted, relative to the largest value of the reference.
    const TOLERANCE: f64;
    /// The nearest value to `x`.
    fn rounded(x: f64) -> Self;
    /// The value in double precision.
    fn widened(self) -> f64;
}

impl Precision for f64 {
    const TOLERANCE: f64 = 1e-10;
    fn rounded(x: f64) -> Self {
        x
    }
    fn widened(self) -> f64 {
        self
    }
}

impl Precision for f32 {
    const TOLERANCE: f64 = 3e-5;
    fn rounded(x: f64) -> Self {
        x as f32
    }
    fn widened(self) -> f64 {
        f64::from(self)
    }
}

/// One array of a result.
pub struct Part {
    /// The lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers, row after row.
    pub values: Vec<f64>,
    /// The largest difference that is accepted, relative to the largest value of the reference; 0 for indices.
    pub tolerance: f64,
}

/// What a reduction may return.
pub trait Parts {
    /// Its arrays, values before indices.
    fn parts(self) -> Vec<Part>;
}

impl<T: Precision> Parts for Array2<T> {
    fn parts(self) -> Vec<Part> {
        let (shape, tolerance) = (self.shape().to_vec(), T::TOLERANCE);
        let values = self.iter().map(|x| x.widened()).collect();
        vec![Part {
            shape,
            values,
            tolerance,
        }]
    }
}

impl<T: Precision> Parts for Array3<T> {
    fn parts(self) -> Vec<Part> {
        let (shape, tolerance) = (self.shape().to_vec(), T::TOLERANCE);
        let values = self.iter().map(|x| x.widened()).collect();
        vec![Part {
            shape,
            values,
            tolerance,
        }]
    }
}

impl Parts for Array2<usize> {
    fn parts(self) -> Vec<Part> {
        let (shape, tolerance) = (self.shape().to_vec(), 0.0);
        let values = self.iter().map(|&n| n as f64).collect();
        vec![Part {
            shape,
            values,
            tolerance,
        }]
    }
}

impl Parts for Array3<usize> {
    fn parts(self) -> Vec<Part> {
        let (shape, tolerance) = (self.shape().to_vec(), 0.0);
        let values = self.iter().map(|&n| n as f64).collect();
        vec![Part {
            shape,
            values,
            tolerance,
        }]
    }
}

impl<A: Parts, B: Parts> Parts for (A, B) {
    fn parts(self) -> Vec<Part> {
        let (mut parts, others) = (self.0.parts(), self.1.parts());
        parts.extend(others);
        parts
    }
}

/// All cases.
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        parse(include_str!("../data/cases.json")).expect("the reference cases are well-formed")
    });
    &CASES
}

/// Random formulas that the fuzzer of the compiler wrote, with their values by definition.
pub fn random_cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
        parse(include_str!("../data/random.json")).expect("the random cases are well-formed")
    });
    &CASES
}

/// The case of this name.
///
/// # Panics
/// If there is none.
pub fn case(name: &str) -> &'static Case {
    cases()
        .iter()
        .chain(random_cases())
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("no reference case is called {name}"))
}

/// Checks the results of `run` on every instruction set of this machine. It is called with the arrays of the case, flat,
/// in the order of the aliases.
///
/// # Panics
/// If a result is not that of the case.
pub fn conforms<T: Precision, P: Parts>(
    case: &Case,
    run: impl Fn(&[Vec<T>], InstructionSet) -> Result<P, Error>,
) {
    let rounded = |input: &Vec<f64>| input.iter().map(|&x| T::rounded(x)).collect();
    let inputs: Vec<Vec<T>> = case.inputs.iter().map(rounded).collect();
    for isa in InstructionSet::available() {
        let what = format!(
            "{} = {} in {} on {isa}",
            case.name,
            case.formula,
            std::any::type_name::<T>()
        );
        let parts = run(&inputs, isa)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
            .parts();
        assert_eq!(parts.len(), case.outputs.len(), "{what}: number of arrays");
        for (part, expected) in parts.iter().zip(&case.outputs) {
            compare(part, expected, &what);
        }
    }
}

/// Checks an array of a result against that of the reference.
///
/// # Panics
/// If it differs.
pub fn compare(part: &Part, expected: &Output, what: &str) {
    // KeOps drops the last axis of the K smallest values of a scalar formula.
    let with_axis = [&expected.shape[..], &[1]].concat();
    assert!(
        part.shape == expected.shape || part.shape.len() == 3 && part.shape == with_axis,
        "{what}: shape {:?} where the reference has {:?}",
        part.shape,
        expected.shape
    );
    let largest = expected
        .values
        .iter()
        .fold(0.0f64, |largest, x| largest.max(x.abs()));
    for (at, (&ours, &theirs)) in part.values.iter().zip(&expected.values).enumerate() {
        // Infinities are equal or not; NaN never is.
        let close = ours == theirs || (ours - theirs).abs() <= part.tolerance * largest;
        assert!(
            close,
            "{what}: number {at} is {ours}, the reference says {theirs}"
        );
    }
}
