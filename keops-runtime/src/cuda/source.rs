//! The source of a kernel: constants, a prelude, what is done with the terms, the functions of the formula, and the kernels that
//! call them.
//!
//! The formula comes from the macro as text; everything else stands in `kernels/`. What is known while the source is assembled
//! is a constant of it, so that the compiler of CUDA unrolls loops and holds arrays in registers.

use core::fmt::Write as _;

use super::layout::THREADS;
use super::recipe::{Outcome, Pairs, Recipe, Reduction, Scheme, Type};

/// So many features of parameters are an argument of the kernel, from where instructions read them at no cost; more are in memory.
pub(super) const PARAMS_BY_VALUE: usize = 256;

/// Instructions of the rows of a thread with a column up to which eight columns are unrolled.
const UNROLLED_COST: usize = 96;

impl Recipe<'_> {
    /// The complete source of the kernels that [`Reduction::kernels`] names.
    pub fn source(&self) -> String {
        let layout = self.layout();
        let &Recipe {
            ref formula,
            reduction,
            pairs,
            t,
            out,
        } = self;
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
        line(format_args!(
            "constexpr bool SPANS = {};",
            pairs != Pairs::All
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
}
