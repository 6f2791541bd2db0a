//! The driver for processors.
//!
//! Rows are spread over the lanes of vectors and keep their results, columns are broadcast. A *task* takes a span of
//! rows and some intervals of columns, all or those of a block-sparse pattern: it packs the features of its rows once, then for each tile of columns packs
//! these and runs all its rows over them ([`tile`]). Memory is a few tiles per thread, whatever the number of points.
//!
//! Where there are fewer rows than lanes, columns are spread over them instead, [`few`].
//!
//! Products with a matrix that is the same when i and j are exchanged take another way, [`mirror`]: each entry is computed once. So do those with
//! many vectors, [`wide`](mod@wide).

mod block;
mod code;
mod dense;
mod distances;
mod entry;
mod few;
mod gather;
mod job;
mod mirror;
mod pack;
mod pairing;
mod pairs;
mod parallel;
mod plan;
mod sides;
mod spread;
mod squares;
mod task;
mod tile;
mod wide;

pub(crate) use dense::dense;
pub(crate) use distances::SquaredDistances;
pub(crate) use job::Job;
use job::Part;
pub(crate) use mirror::{Product, mirrored};
pub(crate) use pack::Points;
pub(crate) use pairing::{Hoisting, Pairing, RowsI, RowsJ, Weighted};
pub(crate) use pairs::{PairsCode, diagonal, of_parameters, symmetric_matrix};
pub(crate) use parallel::for_each_part;
pub(crate) use plan::{Rows, Span};
pub(crate) use sides::SidesCode;
pub(crate) use squares::{KeptSquares, Squares};
pub(crate) use task::{Task, Total};
pub(crate) use wide::{WideProduct, wide};

use crate::Error;
use crate::memory;
use crate::ranges::{Interval, Pattern};
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real};
use code::{Code, Terms};
pub(crate) use code::{MirrorCode, TermsCode, ValuesCode};
use core::ops::Range;
use plan::{Plan, Shape};
use squares::with_squares;
use std::sync::Arc;

/// A formula with its arrays, in one orientation.
#[derive(Clone, Debug)]
pub struct Problem<'a> {
    /// The arrays of the rows.
    pub(crate) rows: Points<'a>,
    /// The arrays of the columns.
    pub(crate) columns: Points<'a>,
    /// The raw parameters.
    pub(crate) params: Vec<f64>,
    /// The formula as it was written.
    pub(crate) formula: &'static str,
    /// Which columns each row is reduced over; `None` are all. It fits the points.
    pub(crate) pattern: Option<Arc<Pattern>>,
    /// For a batch, its elements; then the points above are only counted.
    pub(crate) batch: Option<Batch<'a>>,
    /// Whether the kernel is scalar and the same when i and j are exchanged, and both sides have the same points, all of which are paired.
    pub(crate) symmetric: bool,
    /// The squares of these points for distances that are expanded, where they are needed more than once.
    pub(crate) squares: Option<Arc<KeptSquares>>,
}

/// Problems of the same sizes and pattern, whose rows stand one behind the other in the result.
#[derive(Clone)]
pub(crate) struct Batch<'a> {
    /// Their number.
    pub(crate) elements: usize,
    /// Makes an element and shows it. Its arrays are parts of some that live as long as the batch.
    pub(crate) visit: Arc<Visit<'a>>,
}

type Visit<'a> = dyn Fn(usize, &mut dyn FnMut(&Problem<'_>)) + Send + Sync + 'a;

impl<'a> Batch<'a> {
    /// The same batch, for a shorter time.
    fn reborrow<'b>(&self) -> Batch<'b>
    where
        'a: 'b,
    {
        let Self { elements, visit } = self.clone();
        Batch { elements, visit }
    }
}

impl core::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Batch of {}", self.elements)
    }
}

impl Problem<'_> {
    /// The same problem, for a shorter time.
    pub(crate) fn reborrow(&self) -> Problem<'_> {
        Problem {
            rows: self.rows.reborrow(),
            columns: self.columns.reborrow(),
            params: self.params.clone(),
            formula: self.formula,
            pattern: self.pattern.clone(),
            batch: self.batch.as_ref().map(Batch::reborrow),
            symmetric: self.symmetric,
            squares: self.squares.clone(),
        }
    }

    /// Whether an array is on a device.
    pub(crate) fn is_resident(&self) -> bool {
        self.rows.is_resident() || self.columns.is_resident()
    }

    /// The number of rows of the result: those of all elements of a batch.
    pub(crate) fn result_rows(&self) -> usize {
        self.elements().saturating_mul(self.rows.count())
    }

    /// Shows an element of a batch, or the problem itself where it is none.
    pub(crate) fn show(&self, element: usize, see: &mut dyn FnMut(&Problem<'_>)) {
        match &self.batch {
            None => see(self),
            Some(batch) => (batch.visit)(element, see),
        }
    }

    fn elements(&self) -> usize {
        self.batch.as_ref().map_or(1, |batch| batch.elements)
    }

    /// The number of pairs of all elements.
    pub(crate) fn pairs(&self) -> u128 {
        let of_element = match &self.pattern {
            None => self.rows.count() as u128 * self.columns.count() as u128,
            Some(pattern) => pattern.pairs() as u128,
        };
        of_element.saturating_mul(self.elements() as u128)
    }

    /// The number of columns that a row is reduced over at most.
    pub(crate) fn most_columns(&self) -> usize {
        match &self.pattern {
            None => self.columns.count(),
            Some(pattern) => pattern.most_columns(),
        }
    }
}

/// A part has at least so many instructions per pair for each total of a row.
const PART_WORK: usize = 4096;

/// Refuses totals of which those of a vector of rows do not fit into memory: of few rows they are more than all results.
fn check_totals<T: Real, Totals>(
    isa: InstructionSet,
    problem: &Problem<'_>,
    slots: usize,
) -> Result<(), Error> {
    let lanes = match problem.rows.count() {
        0 => 0,
        _ => sides::lanes::<T>(isa),
    };
    memory::check::<Totals>("the totals", &[lanes, slots])
}

/// The lanes that columns are spread over where there are fewer rows; 0 if they never are.
fn few_lanes<T: Real, R: Reduction>(
    terms: &TermsCode<T, R>,
    isa: InstructionSet,
    reduction: R,
) -> usize {
    let lanes = sides::lanes::<T>(isa);
    let is_worthwhile = few::is_worthwhile(lanes * size_of::<T>());
    match terms.has_few() && reduction.may_be_split() && is_worthwhile {
        true => lanes,
        false => 0,
    }
}

/// Reduces terms over all columns, for all rows, evaluating in `T`. `run` decides where the rows go.
///
/// # Errors
/// [`Error::Shape`] if totals do not fit into memory.
pub(crate) fn reduce<T: Real, R: Reduction>(
    terms: &TermsCode<T, R>,
    isa: InstructionSet,
    problem: &Problem<'_>,
    reduction: R,
    run: &mut dyn FnMut(&Job<'_, R::Total>),
) -> Result<(), Error> {
    let slots = reduction.slots(terms.components);
    check_totals::<T, R::Total>(isa, problem, slots)?;
    // What merging parts and writing them takes must be little against their terms.
    let worthwhile = PART_WORK.saturating_mul(slots) / terms.cost.max(1);
    let shape = Shape {
        elements: problem.elements(),
        rows: problem.rows.count(),
        columns: problem.columns.count(),
        shortest_part: reduction.shortest_part().max(worthwhile),
        lanes: few_lanes(terms, isa, reduction),
        cost: terms.cost,
        row_bytes: slots
            .saturating_mul(size_of::<R::Total>())
            .saturating_add(terms.sides.row() * size_of::<T>()),
    };
    let plan = Plan::new(&shape, problem.pattern.as_deref());
    let compute = |problem: &Problem<'_>,
                   code: &dyn Code<T, R::Total>,
                   rows: Range<usize>,
                   intervals: &[Interval]| {
        R::Total::run(&Task {
            problem,
            code,
            rows,
            intervals,
            slots,
            by_lane: R::BY_LANE,
            longest_tile: reduction.longest_tile(),
            shortest_part: shape.shortest_part,
            few_lanes: shape.lanes,
        })
    };
    let squares = match reduction.expands() {
        true => Squares::of(&terms.sides, isa, problem),
        false => None,
    };
    let squares = squares.as_deref();
    let problem = &with_squares(squares, problem);
    let of = |problem: &Problem<'_>| Terms::new(isa, terms, problem, squares, reduction);
    let mut run_parts = |part: Part<'_, R::Total>| {
        run(&Job {
            plan: &plan,
            slots,
            part,
            ends: &reduction,
        });
    };
    match &problem.batch {
        None => {
            let terms = of(problem);
            run_parts(&|_, rows, intervals| compute(problem, &terms, rows, intervals));
        }
        Some(batch) => run_parts(&|element, rows, intervals| {
            let mut totals = Vec::new();
            (batch.visit)(element, &mut |problem| {
                totals = compute(problem, &of(problem), rows.clone(), intervals);
            });
            totals
        }),
    }
    Ok(())
}
