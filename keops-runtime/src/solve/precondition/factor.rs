//! Partial Cholesky factorisations `K ~ F F'` with pivots.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, ShapeError, s};
use rayon::prelude::*;

use super::super::cholesky::Cholesky;
use super::super::operator::{Entries, OperatorError};
use super::random::Random;
use crate::memory::repeated;

/// Residual variances and pivots below this multiple of the largest diagonal entry are rounding errors.
pub(super) const ROUNDING: f64 = 64.0 * f64::EPSILON;
/// Pivots below this part of the largest residual are not taken where others can be. They are of little use beside it, and rounding errors in the others' residuals are larger by its inverse.
pub(super) const LEAST_PIVOT: f64 = 1e-5;
/// Residuals below minus this multiple of the largest diagonal entry show that rounding errors have become too large.
const UNSOUND: f64 = 1e-12;
/// Residuals below minus this multiple of the largest diagonal entry are no rounding errors: the matrix is not semidefinite.
const INDEFINITE: f64 = 1e-6;
/// Number of points that are eliminated together: a block of rows of so many entries stays in the second level cache.
const CHUNK: usize = 256;

/// A partial Cholesky factorisation `K = F F' + R` of a positive semidefinite matrix of `n` rows, grown pivot by pivot. The
/// residual `R` is positive semidefinite too, and zero in the rows of the pivots.
pub(super) struct Factor {
    /// The columns of `F`, one after the other.
    columns: Vec<f64>,
    /// The pivots, in the order of the columns.
    pivots: Vec<usize>,
    /// The diagonal of `R`; what is lost in rounding errors is 0.
    residual: Vec<f64>,
    /// The largest entry of the diagonal of `K`.
    largest: f64,
    /// The number of entries of `K` that were computed.
    pub(super) entries: usize,
}

/// Why there is no factorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Impossible {
    Indefinite,
    NotFinite,
    Memory,
}

impl Impossible {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Indefinite => "the operator is not positive semidefinite",
            Self::NotFinite => "the operator has entries that are not finite",
            Self::Memory => "the factorisation does not fit into memory",
        }
    }
}

/// What ends the growth of a factorisation for good.
#[derive(Debug)]
pub(super) enum Trouble {
    Impossible(Impossible),
    /// The operator failed.
    Failed(OperatorError),
}

impl From<Impossible> for Trouble {
    fn from(why: Impossible) -> Self {
        Self::Impossible(why)
    }
}

impl From<OperatorError> for Trouble {
    fn from(error: OperatorError) -> Self {
        Self::Failed(error)
    }
}

impl From<ShapeError> for Trouble {
    fn from(error: ShapeError) -> Self {
        Self::Failed(error.into())
    }
}

/// Candidates for pivots.
pub(super) struct Candidates {
    /// Different points.
    points: Vec<usize>,
    /// The order in which they were drawn, as places in `points`. What was drawn again stands there again: a candidate that was
    /// rejected gets another chance.
    order: Vec<usize>,
}

impl Candidates {
    /// The given points among `n`, each once, in their order; `None` if there are none.
    pub(super) fn given(given: &[usize], n: usize) -> Option<Self> {
        let mut points: Vec<usize> = Vec::with_capacity(given.len());
        for &point in given {
            if point < n && !points.contains(&point) {
                points.push(point);
            }
        }
        let order = (0..points.len()).collect();
        (!points.is_empty()).then_some(Self { points, order })
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (&[usize], &[usize]) {
        (&self.points, &self.order)
    }
}

/// What became of the candidates for pivots.
pub(super) struct Growth {
    /// How many were accepted.
    pub(super) accepted: usize,
    /// False if rounding errors were too large. None were accepted then.
    pub(super) sound: bool,
    /// An estimate of the largest eigenvalue of the residual before they were eliminated, as a fraction of its trace.
    pub(super) concentration: f64,
}

impl Factor {
    /// The factorisation of rank 0. [`Impossible`] if the diagonal is not that of a semidefinite matrix.
    pub(super) fn new(entries: &dyn Entries, n: usize) -> Result<Self, Trouble> {
        let mut residual = repeated(n, 0.0).map_err(|_| Impossible::Memory)?;
        entries.compute_diagonal(&mut residual)?;
        if !residual.iter().all(|d| d.is_finite()) {
            return Err(Impossible::NotFinite.into());
        }
        if residual.iter().any(|&d| d < 0.0) {
            return Err(Impossible::Indefinite.into());
        }
        Ok(Self {
            columns: Vec::new(),
            pivots: Vec::new(),
            largest: residual.iter().copied().fold(0.0, f64::max),
            residual,
            entries: n,
        })
    }

    /// The number of columns of `F`.
    pub(super) fn rank(&self) -> usize {
        self.pivots.len()
    }

    /// The trace of the residual, up to rounding errors.
    pub(super) fn trace(&self) -> f64 {
        self.residual.iter().sum()
    }

    /// An upper bound of the trace of the residual, and with it of all its eigenvalues.
    pub(super) fn trace_bound(&self) -> f64 {
        let zeros = self.residual.iter().filter(|&&d| d == 0.0).count();
        let lost = zeros.saturating_sub(self.rank()) as f64;
        self.trace() + lost * ROUNDING * self.largest
    }

    /// Whether the residual of a point is more than rounding errors.
    pub(super) fn is_left(&self, point: usize) -> bool {
        self.residual.get(point).is_some_and(|&d| d > 0.0)
    }

    /// The largest entry of the diagonal of the residual.
    pub(super) fn largest_residual(&self) -> f64 {
        self.residual.iter().copied().fold(0.0, f64::max)
    }

    /// `F'` and the pivots, and its end.
    pub(super) fn into_parts(self) -> Result<(Array2<f64>, Vec<usize>), OperatorError> {
        let shape = (self.rank(), self.residual.len());
        let transposed = Array2::from_shape_vec(shape, self.columns)?;
        Ok((transposed, self.pivots))
    }

    /// Points that are drawn independently of each other, with probabilities proportional to the diagonal of the residual; `None` if
    /// that is zero.
    pub(super) fn draw(&self, count: usize, random: &mut Random) -> Option<Candidates> {
        let mut sum = 0.0;
        let add = |d: &f64| {
            sum += d;
            sum
        };
        let sums: Vec<f64> = self.residual.iter().map(add).collect();
        let mut points: Vec<usize> = Vec::with_capacity(count);
        let mut order = Vec::with_capacity(count);
        for _ in 0..count {
            let mark = random.uniform() * sum;
            let point = sums.partition_point(|&sum| sum <= mark);
            if !self.residual.get(point).is_some_and(|&d| d > 0.0) {
                continue;
            }
            let place = points.iter().position(|&other| other == point);
            order.push(place.unwrap_or(points.len()));
            if place.is_none() {
                points.push(point);
            }
        }
        (!points.is_empty()).then_some(Candidates { points, order })
    }

    /// The first point of largest residual; `None` if the residual is zero.
    pub(super) fn largest_point(&self) -> Option<Candidates> {
        let largest = self.largest_residual();
        let point = self.residual.iter().position(|&d| d == largest)?;
        (largest > 0.0).then(|| Candidates {
            points: vec![point],
            order: vec![0],
        })
    }

    /// Eliminates some of the candidates.
    ///
    /// A candidate is accepted with the probability to which those accepted before it have left its residual, of what it was
    /// when it was drawn. This rejection makes the accepted pivots those that one would have drawn one by one, each from the residual
    /// that the ones before it leave (Epperly, Tropp and Webber 2024). Without random numbers all are accepted, up to the first that nearly depends on those before
    /// it: whose pivot is not more than the part `least` of the largest residual.
    ///
    /// [`Impossible`] if the matrix turns out not to be semidefinite, or there is no memory left; the factorisation is of no use then.
    pub(super) fn grow(
        &mut self,
        entries: &dyn Entries,
        candidates: &Candidates,
        random: Option<&mut Random>,
        least: f64,
    ) -> Result<Growth, Trouble> {
        let n = self.residual.len();
        let points = &candidates.points;
        let numbers = points.len().saturating_mul(n);
        let (Ok(block), Ok(())) = (
            repeated(numbers, 0.0),
            self.columns.try_reserve_exact(numbers),
        ) else {
            return Err(Impossible::Memory.into());
        };
        let mut rows = Array2::from_shape_vec((points.len(), n), block)?;
        entries.compute_rows(points, rows.view_mut())?;
        self.entries += rows.len();

        let old = ArrayView2::from_shape((self.rank(), n), &self.columns)?;
        // Not `select`, which takes longer than all the rest where the points are few.
        let at_points = |rows: ArrayView2<'_, f64>| {
            let shape = (rows.nrows(), points.len());
            Array2::from_shape_fn(shape, |(k, place)| rows[[k, points[place]]])
        };
        let (at_candidates, mut among) = (at_points(old), at_points(rows.view()));
        general_mat_mul(-1.0, &at_candidates.t(), &at_candidates, 1.0, &mut among);
        if !among.iter().all(|entry| entry.is_finite()) {
            return Err(Impossible::NotFinite.into());
        }
        // Given candidates say nothing of the others.
        let concentration = random.as_ref().map_or(1.0, |_| concentration(&among));
        let noise = self.largest * ROUNDING;
        let least = noise.max(least * self.largest_residual());
        for (&point, &pivot) in points.iter().zip(among.diag()) {
            // What looked like a residual was rounding errors, or the rows have another diagonal than was told.
            let residual = if pivot <= noise { 0.0 } else { pivot };
            self.residual[point] = self.residual[point].min(residual);
        }
        let (accepted, factor) = eliminate(among, &candidates.order, least, random);
        let at_pivots = at_candidates.select(Axis(1), &accepted);

        // The rows of the pivots become the new columns of F.
        let mut new = rows.select(Axis(0), &accepted);
        drop(rows);
        let mut residual = self.residual.clone();
        let tasks: Vec<_> = new
            .axis_chunks_iter_mut(Axis(1), CHUNK)
            .zip(old.axis_chunks_iter(Axis(1), CHUNK))
            .zip(residual.chunks_mut(CHUNK))
            .collect();
        let smallest: Vec<f64> = tasks
            .into_par_iter()
            .map(|((mut new, old), residual)| {
                general_mat_mul(-1.0, &at_pivots.t(), &old, 1.0, &mut new);
                factor.forward(new.view_mut());
                for column in new.rows() {
                    for (residual, f) in residual.iter_mut().zip(column) {
                        *residual -= f * f;
                    }
                }
                residual.iter().copied().fold(0.0, f64::min)
            })
            .collect();
        let smallest = smallest.into_iter().fold(0.0, f64::min);
        if smallest < -INDEFINITE * self.largest {
            return Err(Impossible::Indefinite.into());
        }
        if smallest < -UNSOUND * self.largest {
            return Ok(Growth {
                accepted: 0,
                sound: false,
                concentration,
            });
        }
        self.residual = residual;
        for &k in &accepted {
            self.residual[points[k]] = 0.0;
        }
        for residual in &mut self.residual {
            if *residual <= ROUNDING * self.largest {
                *residual = 0.0;
            }
        }
        self.pivots.extend(accepted.iter().map(|&k| points[k]));
        self.columns.extend(new.iter());
        Ok(Growth {
            accepted: accepted.len(),
            sound: true,
            concentration,
        })
    }
}

/// Cholesky elimination of candidates in an order, with rejection; see [`Factor::grow`]. `a` holds the residual among them. Returns the
/// accepted ones, and the factorisation of the residual among these.
pub(super) fn eliminate(
    mut a: Array2<f64>,
    order: &[usize],
    least: f64,
    mut random: Option<&mut Random>,
) -> (Vec<usize>, Cholesky) {
    let count = a.nrows();
    let before = a.diag().to_owned();
    let mut accepted = Vec::with_capacity(count);
    let mut lower = Array2::zeros((count, count));
    for &j in order {
        let pivot = a[[j, j]];
        // The first is accepted always, as uniform numbers are below 1. One that has been accepted leaves a zero.
        let mark = random.as_mut().map_or(0.0, |random| random.uniform());
        if pivot <= least && random.is_none() {
            break;
        }
        if pivot <= least || mark * before[j] >= pivot || accepted.contains(&j) {
            continue;
        }
        let column = &a.column(j) / pivot.sqrt();
        for (mut row, &factor) in a.rows_mut().into_iter().zip(&column) {
            row.scaled_add(-factor, &column);
        }
        lower.column_mut(accepted.len()).assign(&column);
        accepted.push(j);
    }
    let lower = lower.select(Axis(0), &accepted);
    let lower = lower.slice(s![.., ..accepted.len()]).to_owned();
    (accepted, Cholesky::of_lower(lower))
}

/// An estimate of `|R| / trace R` from the entries of `R` among points that were drawn with probabilities proportional to its
/// diagonal.
///
/// Scaled to a unit diagonal, these are `m` samples of an integral operator of trace 1 with the eigenvalues of `R / trace R`, which the
/// eigenvalues of the matrix of samples, divided by `m`, approach. What its own diagonal adds to the largest, 1 of `m`, is
/// taken off: it says nothing of `R`.
pub(super) fn concentration(a: &Array2<f64>) -> f64 {
    let m = a.nrows();
    let scale = a
        .diag()
        .mapv(|d| if d > 0.0 { d.sqrt().recip() } else { 0.0 });
    let scaled = Array2::from_shape_fn((m, m), |(i, j)| scale[i] * a[[i, j]] * scale[j]);
    let mut v = scale.mapv(|s| f64::from(s > 0.0));
    let mut largest = 0.0;
    for _ in 0..POWER_STEPS {
        let norm = v.dot(&v).sqrt();
        if norm == 0.0 {
            return 0.0;
        }
        v /= norm;
        let next = scaled.dot(&v);
        largest = v.dot(&next);
        v = next;
    }
    ((largest - 1.0) / (m as f64 - 1.0).max(1.0)).clamp(0.0, 1.0)
}

/// Steps of the power method for [`concentration`], of which one digit is enough.
const POWER_STEPS: usize = 10;
