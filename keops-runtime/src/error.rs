//! What can go wrong at run time.

use crate::simd::InstructionSetError;

/// Errors of binding, reducing and solving. Every text names what was expected and what came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array of points has the wrong number of columns.
    #[error(
        "{alias}: expected {expected} columns ({category}({expected})), got an array of shape {shape}"
    )]
    Columns {
        /// Name of the variable in the formula.
        alias: String,
        /// `Vi` or `Vj`.
        category: &'static str,
        /// The dimension that the formula declares.
        expected: usize,
        /// The shape that came, as it would be printed by Rust.
        shape: String,
    },
    /// An array of a batch has too few dimensions.
    #[error(
        "{alias}: expected the dimensions (batch.., points, {expected}) ({category}({expected})), got an array of shape {shape}"
    )]
    BatchDimensions {
        /// Name of the variable in the formula.
        alias: String,
        /// `Vi` or `Vj`.
        category: &'static str,
        /// The dimension that the formula declares.
        expected: usize,
        /// The shape that came, as it would be printed by Rust.
        shape: String,
    },
    /// A flat slice of points cannot be cut into rows.
    #[error(
        "{alias}: expected rows of {expected} numbers ({category}({expected})), \
         got a flat slice of {length}, which is no multiple of {expected}"
    )]
    FlatLength {
        /// Name of the variable in the formula.
        alias: String,
        /// `Vi` or `Vj`.
        category: &'static str,
        /// The dimension that the formula declares.
        expected: usize,
        /// Length of the slice that came.
        length: usize,
    },
    /// Two variables of one category disagree on the number of points.
    #[error(
        "{alias}: expected {expected} rows, as many as {other} ({category} variables share their points), got {found}"
    )]
    Rows {
        /// Name of the variable in the formula.
        alias: String,
        /// `Vi` or `Vj`.
        category: &'static str,
        /// The first variable of the category, which sets the number of points.
        other: String,
        /// Its number of rows.
        expected: usize,
        /// The number of rows that came.
        found: usize,
    },
    /// A parameter has the wrong length.
    #[error("{alias}: expected a parameter of length {expected} (Pm({expected})), got {found}")]
    Parameter {
        /// Name of the variable in the formula.
        alias: String,
        /// The dimension that the formula declares.
        expected: usize,
        /// The length that came.
        found: usize,
    },
    /// An array that stands beside the formula (a right-hand side, a vector to multiply, a guess) has the wrong shape.
    #[error("{name}: expected {expected}, got an array of shape {shape}")]
    Shape {
        /// What the array is, such as `the right-hand side`.
        name: String,
        /// The shape that was expected, in words.
        expected: String,
        /// The shape that came, as it would be printed by Rust.
        shape: String,
    },
    /// The two sides of a symmetric kernel hold different points, so that its matrix is not symmetric.
    #[error(
        "{alias} and {other}: expected the same points, because a system needs a symmetric matrix, got different ones"
    )]
    DifferentPoints {
        /// Name of the variable of i.
        alias: String,
        /// Name of its counterpart of j.
        other: String,
    },
    /// An option has a value outside its range.
    #[error("{option}: expected {expected}, got {found}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// The values that it accepts, in words.
        expected: &'static str,
        /// The value that came.
        found: String,
    },
    /// A preconditioner cannot be made.
    #[error("the preconditioner cannot be made: {reason}")]
    Preconditioner {
        /// Why not.
        reason: String,
    },
    /// An array contains NaN or an infinity where finite numbers are needed.
    #[error("{name}: expected finite numbers, got {value} at row {row}, column {column}")]
    NotFinite {
        /// What the array is.
        name: String,
        /// The value that came.
        value: f64,
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
    },
    /// The batch dimensions of two variables fit neither each other nor 1.
    #[error(
        "{alias}: expected batch dimension {dimension} to be {expected}, as that of {other}, or 1, got an array of shape {shape}"
    )]
    Batch {
        /// Name of the variable in the formula.
        alias: String,
        /// The dimension of its array, from 0.
        dimension: usize,
        /// The length that another variable has there, aligned at the last batch dimension.
        expected: usize,
        /// Name of that variable.
        other: String,
        /// The shape that came, as it would be printed by Rust.
        shape: String,
    },
    /// Ranges that are no block-sparse pattern, or that speak of points that there are not.
    #[error("{entry}: expected {expected}, got {found}")]
    Ranges {
        /// The array and the position in it, such as `redranges_j[7]`.
        entry: String,
        /// What was expected there, in words.
        expected: String,
        /// What came.
        found: String,
    },
    /// An axis other than 0 and 1 was asked for.
    #[error("axis: expected 0 (reduce over i) or 1 (reduce over j), got {0}")]
    Axis(usize),
    /// The instruction set that the environment variable `KEOPS_ISA` or the call asks for cannot be used.
    #[error("{origin}: {source}")]
    InstructionSet {
        /// `KEOPS_ISA` or `instruction_set`.
        origin: &'static str,
        /// Why not.
        source: InstructionSetError,
    },
    /// A device has too little memory.
    #[error(
        "device memory: {bytes} bytes were asked for at once, and {free} are free; use fewer points at a time, or Backend::Cpu"
    )]
    DeviceMemory {
        /// The bytes of the allocation that failed.
        bytes: usize,
        /// The bytes that were free.
        free: usize,
    },
    /// A backend was asked for that cannot run here.
    #[error("backend {backend}: {reason}")]
    Backend {
        /// The backend that was asked for.
        backend: String,
        /// Why it cannot run.
        reason: String,
    },
}

/// A shape as it is printed for a tuple: `(7,)`, `(100, 2)`.
pub(crate) fn shape(lengths: &[usize]) -> String {
    match lengths {
        [length] => format!("({length},)"),
        _ => format!(
            "({})",
            lengths
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}
