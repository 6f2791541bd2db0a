//! The source of a kernel: constants, a prelude, what is done with the terms, the functions of the formula, and the kernels that
//! call them.
//!
//! The formula comes from the macro as text; everything else stands in `kernels/`. What is known while the source is assembled
//! is a constant of it, so that the compiler of CUDA unrolls loops and holds arrays in registers.

use core::ffi::CStr;
use core::fmt::Write as _;

use crate::cpu::Pairing;
use crate::kernel::Features;
use crate::options::{Accumulate, CallOptions, SumScheme};

/// So many features of parameters are an argument of the kernel, from where instructions read them at no cost; more are in memory.
pub(crate) const PARAMS_BY_VALUE: usize = 256;
/// Threads of a block.
pub(crate) const THREADS: usize = 128;
/// A tile has at most this many columns, as on the processor: so many terms are added before the accumulator is touched.
const TILE_COLUMNS: usize = 256;
/// The features of a tile take about this many bytes, so that several blocks share the memory of a multiprocessor.
const TILE_BYTES: usize = 16 << 10;
/// Static shared memory of a block on every device.
const SHARED_BYTES: usize = 48 << 10;
/// Registers of 32 bits that the rows of a thread and its temporaries may take together.
const REGISTERS: usize = 88;

/// Instructions of the rows of a thread with a column up to which eight columns are unrolled.
const UNROLLED_COST: usize = 96;

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
    pub(crate) fn of<T>() -> Self {
        if size_of::<T>() == 4 {
            Type::Single
        } else {
            Type::Double
        }
    }

    fn name(self) -> &'static str {
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
    pub(crate) fn of<P: Pairing>(text: &'a str, row: usize, column: usize) -> Self {
        Formula {
            text,
            code: P::CUDA,
            rows_are_i: P::ROWS_ARE_I,
            params: P::Params::<f32>::LEN,
            row: Side {
                raw: row,
                features: P::Row::<f32>::LEN,
            },
            column: Side {
                raw: column,
                features: P::Column::<f32>::LEN - P::WEIGHTS,
            },
            components: P::Out::<f32>::LEN,
            weights: P::WEIGHTS,
            live: P::LIVE,
            cost: P::COST,
        }
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
        Adding {
            scheme: match options.sum_scheme {
                SumScheme::Auto | SumScheme::Block => Scheme::Blocks,
                SumScheme::Direct => Scheme::Terms,
                SumScheme::Kahan => Scheme::Compensated,
            },
            accumulator: match options.accumulate {
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
    fn adding(self) -> Option<Adding> {
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
    fn registers(self, terms: usize, words: usize) -> usize {
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

/// How rows and columns are laid out in registers and shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Rows of a thread.
    pub rows: usize,
    /// Columns of a tile.
    pub tile: usize,
    /// Numbers from one column of a tile to the next.
    stride: usize,
}

impl Layout {
    /// The layout for terms of type `t`.
    pub fn new(formula: &Formula<'_>, reduction: Reduction, t: Type) -> Self {
        let words = t.size() / 4;
        let column = formula.column.features + formula.weights;
        // Loads of 16 bytes need columns that begin at multiples of 16.
        let vector = 16 / t.size();
        let stride = match column {
            0 | 1 => 1,
            2 => 2,
            _ => column.next_multiple_of(vector),
        };
        let mirrored = matches!(reduction, Reduction::Mirrored(_));
        let copies = if mirrored { 2 } else { 1 };
        let fitting = TILE_BYTES / stride.saturating_mul(copies * t.size());
        let tile = match fitting {
            0 => 1,
            1..32 => fitting,
            _ => (fitting / 32 * 32).min(TILE_COLUMNS),
        };
        // A row of a mirrored product holds weights, and the sums of a column are in registers too.
        let weights = if mirrored { formula.weights } else { 0 };
        let row = formula
            .row
            .features
            .saturating_add(weights)
            .saturating_mul(words)
            .saturating_add(reduction.registers(formula.terms(), words));
        let shared = formula
            .live
            .saturating_add(column)
            .saturating_add(weights)
            .saturating_mul(words);
        let fits = |rows: usize| row.saturating_mul(rows).saturating_add(shared) <= REGISTERS;
        let rows = [4, 2].into_iter().find(|&rows| fits(rows)).unwrap_or(1);
        Self { rows, tile, stride }
    }

    /// Whether a tile for terms of type `t` fits into shared memory.
    pub fn fits(self, t: Type) -> bool {
        let numbers = self.tile.saturating_mul(self.stride);
        numbers.saturating_mul(t.size()) <= SHARED_BYTES
    }

    /// Whether computing each entry of a symmetric matrix once is faster than computing it twice, for terms of type `t`. Lanes then read
    /// columns of their own, from all banks of shared memory, where otherwise one read of one bank serves a warp; in the time of such a read of
    /// 32 bits a multiprocessor runs four instructions.
    pub fn pays_mirrored(self, formula: &Formula<'_>, t: Type) -> bool {
        let reads = (self.stride + formula.weights).saturating_mul(t.size() / 4);
        let whole = self.tile >= 32 && self.tile.is_multiple_of(32);
        whole && 4 * reads <= self.rows.saturating_mul(formula.cost)
    }

    /// Rows of a block.
    pub fn block_rows(self) -> usize {
        THREADS * self.rows
    }
}

/// The complete source of the kernels that [`Reduction::kernels`] names, evaluating in `t`, with results of type `out`.
pub fn assemble(formula: &Formula<'_>, reduction: Reduction, t: Type, out: Type) -> String {
    let layout = Layout::new(formula, reduction, t);
    let terms = formula.terms();
    let mut source = String::new();
    let mut line = |arguments: core::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = source.write_fmt(arguments);
        source.push('\n');
    };
    let text: String = formula
        .text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    line(format_args!("// {text}"));
    line(format_args!("typedef {} T; // terms", t.name()));
    line(format_args!("typedef {} Out; // results", out.name()));
    let largest = match t {
        Type::Single => f64::from(f32::MAX),
        Type::Double => f64::MAX,
    };
    line(format_args!("constexpr T LARGEST = (T){largest:e};"));
    if let Some(adding) = reduction.adding() {
        let scheme = match adding.scheme {
            Scheme::Blocks => 0,
            Scheme::Terms => 1,
            Scheme::Compensated => 2,
        };
        let accumulator = adding.accumulator.name();
        line(format_args!("typedef {accumulator} A; // accumulators"));
        line(format_args!("constexpr int SCHEME = {scheme};"));
    }
    if let Reduction::LogSumExp(_, outcome) = reduction {
        let outcome = match outcome {
            Outcome::Logarithms => 0,
            Outcome::WeightedLogarithms => 1,
            Outcome::Means => 2,
            Outcome::MeansAndLogarithm => 3,
        };
        line(format_args!("constexpr int OUTCOME = {outcome};"));
    }
    if let Reduction::Extreme { greatest, indexed } = reduction {
        line(format_args!(
            "constexpr bool GREATEST = {greatest}, INDEXED = {indexed};"
        ));
    }
    line(format_args!(
        "constexpr bool ROWS_ARE_I = {};",
        formula.rows_are_i
    ));
    for (name, value) in [
        ("PARAMS", formula.params),
        ("PARAMS_BY_VALUE", PARAMS_BY_VALUE),
        ("ROW_RAW", formula.row.raw),
        ("ROW", formula.row.features),
        ("COLUMN_RAW", formula.column.raw),
        ("COLUMN", formula.column.features),
        ("COMPONENTS", terms),
        ("WIDTH", reduction.width(terms)),
        ("WEIGHTS", formula.weights),
        ("THREADS", THREADS),
        ("ROWS", layout.rows),
        ("TILE", layout.tile),
        ("STRIDE", layout.stride),
    ] {
        line(format_args!("constexpr int {name} = {value};"));
    }
    // Several columns at once where their code is short: reading them takes fewer instructions then. In double precision these do not count, and
    // registers are few.
    let short = formula.cost.saturating_mul(layout.rows) <= UNROLLED_COST;
    let unrolled = if short && t == Type::Single {
        "_Pragma(\"unroll 8\")"
    } else {
        ""
    };
    line(format_args!("#define COLUMNS_UNROLLED {unrolled}"));
    let kernel = include_str!("kernels/kernel.cu");
    let (state, kernel): (&[&str], &str) = match reduction {
        Reduction::Sum(_) => (
            &[
                include_str!("kernels/summation.cu"),
                include_str!("kernels/sum.cu"),
            ],
            kernel,
        ),
        Reduction::Mirrored(_) => (
            &[include_str!("kernels/summation.cu")],
            include_str!("kernels/mirror.cu"),
        ),
        Reduction::LogSumExp(..) => (
            &[
                include_str!("kernels/summation.cu"),
                include_str!("kernels/log_sum_exp.cu"),
            ],
            kernel,
        ),
        Reduction::Extreme { .. } => (
            &[
                include_str!("kernels/candidate.cu"),
                include_str!("kernels/extreme.cu"),
            ],
            kernel,
        ),
        Reduction::Smallest => (
            &[
                include_str!("kernels/candidate.cu"),
                include_str!("kernels/smallest.cu"),
            ],
            kernel,
        ),
    };
    line(format_args!("\n{}", include_str!("kernels/prelude.cu")));
    for piece in state {
        line(format_args!("{piece}"));
    }
    line(format_args!("// The formula.\n\n{}", formula.code));
    line(format_args!("{}", include_str!("kernels/pairs.cu")));
    line(format_args!("{}", kernel.trim_end()));
    source
}
