//! The squares of points, for squared distances in many dimensions as `|a - b|^2 = |a|^2 + |b|^2 - 2 (a, b)`.
//!
//! They cancel where a distance is much smaller than its points are large, which costs what digits the sum has
//! beyond the difference. So points are taken relative to a centre, and this way is taken only where the bound says that nothing is lost: the value changes by at
//! most its *slope* times the error of the squared distance, relatively, and that is a few units in the last place of `|a|^2 + |b|^2`. Differences
//! have the same error for a pair that is as far apart.

use super::Problem;
use super::pack::Points;
use super::sides::{Distances, SidesCode};
use crate::input::Input;
use crate::lanes::Aligned;
use crate::simd::{InstructionSet, Real};
use ndarray::Array2;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// The slope times `|a|^2 + |b|^2` is at most this: an exponent has an error of few units in the last place of it.
const LARGEST_CHANGE: f64 = 8.0;
/// With fewer points on a side, their squares take longer than what they save.
const FEWEST_POINTS: usize = 256;
/// Points whose squares are computed by one thread.
const SPAN: usize = 512;
/// Points that a centre is the mean of.
const SAMPLED: usize = 1024;

/// The squares of the points on both sides of a problem, relative to their centre.
#[derive(Debug)]
pub struct Squares {
    rows: Array2<f64>,
    columns: Array2<f64>,
    pub(super) centre: Vec<f64>,
}

/// Squares for evaluations in single and in double precision, computed when they are first asked for; `None` where distances are not expanded.
pub(crate) type KeptSquares = [OnceLock<Option<Arc<Squares>>>; 2];

impl Squares {
    /// The squares for a kernel that is evaluated in `T`, where expanding its distances is as accurate as computing them, and faster.
    pub(super) fn of<T: Real>(
        code: &SidesCode<T>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Arc<Self>> {
        if !code.has_distance() {
            return None;
        }
        let is_double = size_of::<T>() == size_of::<f64>();
        let kept = problem.squares.as_ref();
        let kept = kept.map(|kept| &kept[usize::from(is_double)]);
        if let Some(known) = kept.and_then(OnceLock::get) {
            return known.clone();
        }
        // Not as the initialisation of the cell: a thread that waits for its other parts may come here again.
        let squares = T::squares(code, isa, problem).map(Arc::new);
        match kept {
            Some(kept) => kept.get_or_init(|| squares).clone(),
            None => squares,
        }
    }

    /// [`Squares::of`] a problem that keeps none.
    pub(crate) fn compute<T: Real>(
        code: &SidesCode<T>,
        isa: InstructionSet,
        problem: &Problem<'_>,
    ) -> Option<Self> {
        let (rows, columns) = (&problem.rows, &problem.columns);
        if problem.batch.is_some() || rows.count().min(columns.count()) < FEWEST_POINTS {
            return None;
        }
        let slope = code.slope(&problem.params)?;
        let points = &code.distances(&problem.params)?;
        // With others, NaN among them, squares would be no bound.
        if !points.weights.iter().all(|&weight| weight >= T::ZERO) {
            return None;
        }
        let centre = centre(points, isa, rows);
        let rows = squares(points, isa, 0, rows, &centre);
        let columns = squares(points, isa, 1, columns, &centre);
        // NaN is larger than anything.
        let larger = |a: f64, &b: &f64| if a.is_nan() || b <= a { a } else { b };
        let largest = |squares: &Array2<f64>| squares.iter().fold(0.0, larger);
        let sum = largest(&rows) + largest(&columns);
        // Distances are at most twice the sum, and twice the products at most the sum; with room for their rounding.
        let is_held = T::from_f64(4.0 * sum) < T::INFINITY;
        (slope * sum <= LARGEST_CHANGE && is_held).then_some(Self {
            rows,
            columns,
            centre,
        })
    }

    /// The problem with the squares as the last component of its points.
    fn with<'a>(&'a self, problem: &'a Problem<'_>) -> Problem<'a> {
        let mut problem = problem.reborrow();
        problem.squares = None;
        problem.rows.push(Input::F64(self.rows.view()), 1);
        problem.columns.push(Input::F64(self.columns.view()), 1);
        problem
    }
}

/// The problem with squares, if there are any.
pub(super) fn with_squares<'a>(
    squares: Option<&'a Squares>,
    problem: &'a Problem<'_>,
) -> Problem<'a> {
    match squares {
        Some(squares) => squares.with(problem),
        None => problem.reborrow(),
    }
}

/// The means of the components of some points of the rows: a centre near enough.
fn centre<T: Real>(points: &Distances<T>, isa: InstructionSet, rows: &Points<'_>) -> Vec<f64> {
    let lanes = points.lanes(isa, 0);
    let mut sums = vec![0.0; points.dimensions()];
    let groups = rows.count() / lanes;
    let chosen = (0..groups).step_by(groups.div_ceil(SAMPLED / lanes).max(1));
    let mut raw = Aligned::<T>::zeros(rows.components() * lanes);
    let mut components = Aligned::zeros(points.dimensions() * lanes);
    for group in chosen.clone() {
        rows.gather(group * lanes, lanes, &mut raw);
        points.hoist(isa, 0, &raw, &mut components);
        for (sum, lanes) in sums.iter_mut().zip(components.chunks_exact(lanes)) {
            *sum += lanes.iter().map(|value| value.to_f64()).sum::<f64>();
        }
    }
    let count = (chosen.len() * lanes) as f64;
    sums.iter()
        .map(|sum| T::from_f64(sum / count).to_f64())
        .collect()
}

/// The squares of the points of a side, in double precision, of components as they are in the type of the evaluation; a column.
fn squares<T: Real>(
    points: &Distances<T>,
    isa: InstructionSet,
    side: usize,
    of: &Points<'_>,
    centre: &[f64],
) -> Array2<f64> {
    let lanes = points.lanes(isa, side);
    let mut squares = Array2::zeros((of.count(), 1));
    let spans = squares.as_slice_mut().unwrap_or_default();
    let spans = spans.par_chunks_mut(SPAN).enumerate();
    spans.for_each(|(span, squares)| {
        let mut raw = Aligned::<T>::zeros(of.components() * lanes);
        let mut components = Aligned::<T>::zeros(points.dimensions() * lanes);
        for (n, squares) in squares.chunks_mut(lanes).enumerate() {
            of.gather(span * SPAN + n * lanes, lanes, &mut raw);
            points.hoist(isa, side, &raw, &mut components);
            for (k, component) in components.chunks_exact(lanes).enumerate() {
                let weight = points.weights.get(k).map_or(1.0, |weight| weight.to_f64());
                for (square, &value) in squares.iter_mut().zip(component) {
                    let value = (value - T::from_f64(centre[k])).to_f64();
                    *square += weight * value * value;
                }
            }
        }
    });
    squares
}
