//! What a kernel is made of.

use core::ffi::CStr;

use super::layout::Layout;
use crate::cpu::{Hoisting, Pairing};
use crate::kernel::Features;
use crate::options::{Accumulate, CallOptions, SumScheme};
use crate::simd::Real;

/// A number type of CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `float`
    Single,
    /// `double`
    Double,
}

impl Type {
    /// The type of `T`, which is `f32` or `f64`.
    pub(crate) const fn of<T>() -> Self {
        if size_of::<T>() == 4 {
            Type::Single
        } else {
            Type::Double
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Single => "float",
            Type::Double => "double",
        }
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Type::Single => 4,
            Type::Double => 8,
        }
    }
}

/// A formula with its orientation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Formula<'a> {
    /// The formula as it was written, for the reader of the source.
    pub text: &'a str,
    /// The device functions `hoist_i`, `hoist_j` and `pair`.
    pub code: &'a str,
    /// Whether rows are points i and columns points j, or the reverse.
    pub rows_are_i: bool,
    /// Features of the parameters.
    pub params: usize,
    /// Raw components of a row and its features.
    pub row: Side,
    /// The same of a column.
    pub column: Side,
    /// Components of the formula.
    pub components: usize,
    /// Vectors that a scalar formula is multiplied with; 0 for the formula itself.
    pub weights: usize,
    /// Temporaries that are alive at once while a pair is evaluated.
    pub live: usize,
    /// Instructions of a pair on a processor.
    pub cost: usize,
}

/// The sizes of one side of the pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    /// Components of a point in the arrays.
    pub raw: usize,
    /// Features.
    pub features: usize,
}

impl<'a> Formula<'a> {
    /// The formula `P`, whose rows and columns have so many raw components.
    pub(crate) fn of<P: Pairing>(text: &'a str, raw: [usize; 2]) -> Self {
        Formula {
            text,
            ..const { Self::anonymous::<P>() }
        }
        .with_raw(raw)
    }

    /// The formula `P` without text and raw components.
    const fn anonymous<P: Pairing>() -> Self {
        Formula {
            text: "",
            code: P::CUDA,
            rows_are_i: P::ROWS_ARE_I,
            params: P::Params::<f32>::LEN,
            row: Side {
                raw: 0,
                features: P::Row::<f32>::LEN,
            },
            column: Side {
                raw: 0,
                features: P::Column::<f32>::LEN - P::WEIGHTS,
            },
            components: P::Out::<f32>::LEN,
            weights: P::WEIGHTS,
            live: P::LIVE,
            cost: P::COST,
        }
    }

    /// The same with so many raw components of a row and of a column.
    pub(super) fn with_raw(mut self, [row, column]: [usize; 2]) -> Self {
        (self.row.raw, self.column.raw) = (row, column);
        self
    }

    /// Components of a term.
    pub fn terms(&self) -> usize {
        if self.weights == 0 {
            self.components
        } else {
            self.weights
        }
    }
}

/// The terms of a reduction on a device, for code that is compiled with this crate and not with each formula.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evaluation {
    /// The formula, without text and raw components.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(dead_code, reason = "there are no devices")
    )]
    pub(super) formula: Formula<'static>,
    /// The type in which it is evaluated.
    pub(super) t: Type,
    /// The features of raw parameters, in double precision.
    #[cfg_attr(
        not(feature = "cuda"),
        expect(dead_code, reason = "there are no devices")
    )]
    hoist: fn(&[f64]) -> Vec<f64>,
}

impl Evaluation {
    /// The terms of `P`, evaluated in `C`.
    pub(crate) const fn of<P: Pairing, C: Real>() -> Self {
        Self {
            formula: const { Formula::anonymous::<P>() },
            t: Type::of::<C>(),
            hoist: P::Hoisting::params,
        }
    }

    /// How the options want sums of these terms added.
    pub(crate) fn adding(&self, options: &CallOptions) -> Adding {
        Adding::new(options, self.t)
    }

    /// The features of raw parameters, as they are in the type of the evaluation.
    #[cfg(feature = "cuda")]
    pub(super) fn params(&self, raw: &[f64]) -> Vec<f64> {
        let features = (self.hoist)(raw);
        match self.t {
            Type::Single => f32::held(&features).into_iter().map(f64::from).collect(),
            Type::Double => features,
        }
    }
}

/// How the terms of a sum are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// At most 256 in their own type, and then their sum to the accumulator.
    Blocks,
    /// Every term to the accumulator.
    Terms,
    /// The same, with compensation.
    Compensated,
}

/// A sum's scheme and the type of its accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adding {
    /// How terms are added.
    pub scheme: Scheme,
    /// To what.
    pub accumulator: Type,
}

impl Adding {
    /// Sums of terms of type `t`, as the options want them.
    pub(crate) fn new(options: &CallOptions, t: Type) -> Self {
        let scheme = match options.sum_scheme {
            SumScheme::Auto | SumScheme::Block => Scheme::Blocks,
            SumScheme::Direct => Scheme::Terms,
            SumScheme::Kahan => Scheme::Compensated,
        };
        Adding {
            scheme,
            accumulator: match options.accumulate {
                Accumulate::Same if scheme == Scheme::Blocks => Type::Double,
                Accumulate::Same => t,
                Accumulate::F32 => Type::Single,
                Accumulate::F64 => Type::Double,
            },
        }
    }
}

/// What is made of sums of exponentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The logarithm of every sum.
    Logarithms,
    /// The logarithms of the weighted sums; the first component is the exponent.
    WeightedLogarithms,
    /// The quotients of the weighted sums and that of the exponentials.
    Means,
    /// These, and then the logarithm of the sum of the exponentials.
    MeansAndLogarithm,
}

/// What is done with the terms of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their sum.
    Sum(Adding),
    /// The same for a matrix that is the same when i and j are exchanged, of which each entry is computed once.
    Mirrored(Adding),
    /// Sums of their exponentials.
    LogSumExp(Adding, Outcome),
    /// The smallest or greatest, and where it is.
    Extreme {
        /// Whether it is the greatest.
        greatest: bool,
        /// Whether its column is wanted.
        indexed: bool,
    },
    /// The k smallest and where they are; k is an argument of the kernel.
    Smallest,
}

impl Reduction {
    pub(super) fn adding(self) -> Option<Adding> {
        match self {
            Reduction::Sum(adding)
            | Reduction::Mirrored(adding)
            | Reduction::LogSumExp(adding, _) => Some(adding),
            Reduction::Extreme { .. } | Reduction::Smallest => None,
        }
    }

    /// Results of a row, for each of those that a kernel argument counts.
    pub fn width(self, terms: usize) -> usize {
        match self {
            Reduction::LogSumExp(_, Outcome::WeightedLogarithms | Outcome::Means) => {
                terms.saturating_sub(1)
            }
            _ => terms,
        }
    }

    /// Exponents among so many terms.
    fn exponents(self, terms: usize) -> usize {
        match self {
            Reduction::LogSumExp(_, Outcome::Logarithms) => terms,
            Reduction::LogSumExp(..) => 1,
            _ => 0,
        }
    }

    /// Bytes of the totals that a row leaves in memory between two kernels, for each value that is kept.
    pub fn total_bytes(self, terms: usize) -> usize {
        match self.adding() {
            Some(adding) => {
                let sums = match adding.scheme {
                    Scheme::Compensated => 2 * terms,
                    Scheme::Blocks | Scheme::Terms => terms,
                };
                8 * (self.exponents(terms) + sums)
            }
            // A value and an index.
            None => 16 * terms,
        }
    }

    /// The names of its two kernels: the one for all pairs, and the one that merges totals.
    pub fn kernels(self) -> [&'static CStr; 2] {
        match self {
            Reduction::Mirrored(_) => [c"keops_mirror", c"keops_gather"],
            _ => [c"keops_reduce", c"keops_merge"],
        }
    }

    /// Whether it also finds the columns of its results.
    pub fn finds_columns(self) -> bool {
        match self {
            Reduction::Sum(_) | Reduction::Mirrored(_) | Reduction::LogSumExp(..) => false,
            Reduction::Extreme { indexed, .. } => indexed,
            Reduction::Smallest => true,
        }
    }

    /// Whether the totals are in memory also while columns are reduced.
    pub fn keeps_totals_in_memory(self) -> bool {
        self == Reduction::Smallest
    }

    /// Registers that the state of a row takes.
    pub(super) fn registers(self, terms: usize, words: usize) -> usize {
        let state = match self {
            Reduction::Sum(adding)
            | Reduction::Mirrored(adding)
            | Reduction::LogSumExp(adding, _) => {
                let accumulator = adding.accumulator.size() / 4;
                let sums = match adding.scheme {
                    Scheme::Blocks => words + accumulator,
                    Scheme::Terms => accumulator,
                    Scheme::Compensated => 2 * accumulator,
                };
                terms.saturating_mul(sums)
            }
            Reduction::Extreme { indexed, .. } => {
                terms.saturating_mul(words + 3 * usize::from(indexed))
            }
            Reduction::Smallest => terms.saturating_mul(words).saturating_add(4),
        };
        state.saturating_add(self.exponents(terms) * words)
    }
}

/// Which rows and columns the blocks of threads have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairs {
    /// All pairs of one array of rows and one of columns.
    All,
    /// Those of a list of spans: of block-sparse reductions and batches.
    Spans {
        /// Whether a thread has one row, because spans have few.
        narrow: bool,
    },
}

/// What a kernel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Recipe<'a> {
    /// What is evaluated.
    pub formula: Formula<'a>,
    /// What is done with the terms.
    pub reduction: Reduction,
    /// For which pairs.
    pub pairs: Pairs,
    /// The type of the terms.
    pub t: Type,
    /// The type of the results.
    pub out: Type,
}

impl Recipe<'_> {
    /// How rows and columns are laid out.
    pub fn layout(&self) -> Layout {
        let layout = Layout::new(&self.formula, self.reduction, self.t);
        match self.pairs {
            Pairs::Spans { narrow: true } => layout.narrow(),
            Pairs::All | Pairs::Spans { narrow: false } => layout,
        }
    }
}
