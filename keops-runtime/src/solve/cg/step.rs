//! The steps of the recursion.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::super::block::{Block, column_sums, products};
use super::super::cholesky::Cholesky;
use super::super::dense::eigen;
use super::super::error_bound::{norms as column_norms, unconditional};
use super::super::operator::Precision;
use super::super::product::{norms, view, view_mut};
use super::super::report::{Failure, Part};
use super::super::system::Distance;
use super::basis::{Basis, orthonormal};
use super::{Cg, DOUBLE_ROUNDOFF};

/// What `w'P^-1 w / (|w| |P^-1 w|)` may be below zero by rounding errors.
const INDEFINITE: f64 = 1e-6;
/// The part of residuals along the last directions that is left to be.
const CONJUGATE: f64 = 1e-13;
/// How far rounding errors may move eigenvalues, as a multiple of `u |A|`.
const ROUNDING: f64 = 8.0;
/// The number of iterations in which the operator is compared with its transpose: where it differs, it does so at once.
const COMPARED: usize = 4;
/// The difference of `p'Aq` and `q'Ap` that rounding errors explain, as a multiple of `u sqrt(n) |A| |p| |q|`.
const ASYMMETRY: f64 = 64.0;

/// Directions and their products with the matrix.
pub(super) struct Directions {
    /// `P`.
    p: Block,
    /// `A P`.
    product: Block,
}

impl Cg<'_> {
    /// Begins the recursion from residuals.
    pub(super) fn begin(&mut self, residuals: Block) -> Result<(), Failure> {
        let (basis, coefficients) = Basis::new(residuals, |q| self.definite(q, 0.0))?;
        self.directions = basis.preconditioned().clone();
        (self.basis, self.coefficients) = (basis, coefficients);
        self.previous = None;
        self.error_bound.restart();
        let s = Array2::zeros((self.basis.q.width(), 0));
        let distances = self.distances(&s)?;
        for (system, distance) in self.systems.iter_mut().zip(distances) {
            system.now.error = system.now.error.min(distance.error);
        }
        Ok(())
    }

    /// Goes along the directions to the minimum, and chooses the next. `false` if rounding errors do not allow it.
    pub(super) fn step(&mut self) -> Result<bool, Failure> {
        let mut product = self.directions.clone();
        let applied = self
            .matrix
            .apply(self.precision, &self.directions, &mut product);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let curvature = products(&self.directions, &product);
        if !curvature.iter().all(|entry| entry.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let lengths = products(&self.directions, &self.directions);
        // By how much rounding errors in the products are larger in the curvature, relative to it.
        let mut cancellation = 1.0_f64;
        for (c, norm) in norms(&product).into_iter().enumerate() {
            let length = lengths[[c, c]].sqrt();
            self.raise_scale(norm / length);
            cancellation = cancellation.max(norm * length / curvature[[c, c]]);
        }
        self.compare_with_transpose(&curvature, &lengths, &product)?;
        let curvature = 0.5 * (&curvature + &curvature.t());
        let Some(inverse) = self.inverse_curvature(&curvature, &lengths)? else {
            return Ok(false);
        };
        // P'Q is the identity, but for a block which rounding errors have part in.
        let several = self.basis.q.width() > 1;
        let along = several.then(|| products(&self.directions, &self.basis.q));
        let step = match &along {
            Some(along) => inverse.dot(along),
            None => inverse.clone(),
        };
        let steps = step.dot(&self.coefficients);
        if !steps.iter().all(|entry| entry.is_finite()) {
            return Ok(false);
        }
        self.x.add_product(&self.directions, &steps);
        let mut w = std::mem::replace(&mut self.basis.q, Block::zeros(0, 0));
        w.add_product(&product, &-&step);
        // In working precision no recursion bounds errors, and products do not agree with each other well enough.
        let (basis, s) = if several && self.precision == Precision::Double {
            self.conjugate_basis(w, &product, &inverse)?
        } else {
            Basis::new(w, |q| self.definite(q, -INDEFINITE))?
        };
        self.coefficients = s.dot(&self.coefficients);
        let mut directions = basis.preconditioned().clone();
        directions.add_product(&self.directions, &s.t().to_owned());
        let p = std::mem::replace(&mut self.directions, directions);
        self.basis = basis;
        self.previous = (self.iteration < COMPARED).then_some(Directions { p, product });
        let decrease = match &along {
            Some(along) => along.t().dot(&step),
            None => step,
        };
        self.error_bound.step(&decrease, cancellation);
        let distances = self.distances(&s)?;
        for (system, distance) in self.systems.iter_mut().zip(distances) {
            system.advance(distance);
        }
        self.smooth();
        Ok(true)
    }

    /// A basis of the new residuals `w`, orthogonal to the directions.
    ///
    /// Where little is left of residuals, to make them of length 1 makes rounding errors larger, and with them what is along the directions that have just been
    /// used. Bounds of errors count on nothing being there. One more step along these directions takes it off.
    fn conjugate_basis(
        &mut self,
        w: Block,
        product: &Block,
        inverse: &Array2<f64>,
    ) -> Result<(Basis, Array2<f64>), Failure> {
        let (mut q, s) = orthonormal(w);
        let along = inverse.dot(&products(&self.directions, &q));
        let sizes = Array1::from(norms(product));
        let most = sizes
            .dot(&along.mapv(f64::abs))
            .fold(0.0, |most: f64, &m| m.max(most));
        // NaN is left to those who look for it.
        if most.is_nan() || most <= CONJUGATE {
            return Basis::of_orthonormal(q, s, |q| self.definite(q, -INDEFINITE));
        }
        q.add_product(product, &-&along);
        let steps = along.dot(&s).dot(&self.coefficients);
        self.x.add_product(&self.directions, &steps);
        let (basis, factor) = Basis::of_independent(q, |q| self.definite(q, -INDEFINITE))?;
        Ok((basis, factor.dot(&s)))
    }

    /// `(P'AP)^-1`, or where rounding errors exceed the curvature in some of the directions `P`, the inverse in the others. `None` if nothing is left, or
    /// if the working precision is to be given up.
    fn inverse_curvature(
        &mut self,
        curvature: &Array2<f64>,
        lengths: &Array2<f64>,
    ) -> Result<Option<Array2<f64>>, Failure> {
        let alpha = self.matrix.alpha;
        // Rounding errors move a curvature by u | |A| |p| | / |p| or so, with luck by less, and by as much as the number
        // of terms of a sum times that without.
        let slack = 8.0 * DOUBLE_ROUNDOFF * self.directions.rows().max(1.0).sqrt();
        let least = match self.precision {
            Precision::Working => 0.5 * alpha,
            Precision::Double => (alpha - slack * self.scale).max(DOUBLE_ROUNDOFF * self.scale),
        };
        if Cholesky::new(curvature - &(least * lengths)).is_ok()
            && let Ok(factor) = Cholesky::new(curvature.clone())
        {
            return Ok(Some(factor.inverse()));
        }
        let Ok(factor) = Cholesky::new(lengths.clone()) else {
            return Ok(None);
        };
        // Of directions of length 1.
        let mut scaled = curvature.clone();
        factor.half_solve(&mut scaled);
        scaled = scaled.reversed_axes();
        factor.half_solve(&mut scaled);
        let (values, vectors) = eigen(&(0.5 * (&scaled + &scaled.t())));
        let mut vectors = vectors;
        factor.half_solve_transposed(&mut vectors);
        let smaller = |best: usize, i: usize| if values[i] < values[best] { i } else { best };
        let Some(first) = (0..values.len()).reduce(smaller) else {
            return Ok(None);
        };
        let smallest = values[first];
        if self.precision == Precision::Working && smallest < least {
            return Ok(None);
        }
        if self.precision == Precision::Double && smallest < alpha - slack * self.scale {
            let direction = vectors.column(first);
            let scale = self.rounding_scale(direction)?;
            self.raise_scale(scale);
            if smallest < alpha - slack * self.scale {
                return Err(Failure::Indefinite {
                    iteration: self.iteration,
                    column: self.most_along(direction),
                    curvature: smallest,
                    alpha,
                });
            }
        }
        let floor = DOUBLE_ROUNDOFF * self.scale;
        let mut inverse = Array2::zeros(curvature.dim());
        let mut any = false;
        for (&value, vector) in values.iter().zip(vectors.columns()) {
            if value > floor {
                any = true;
                let column = vector.insert_axis(Axis(1));
                inverse = inverse + column.dot(&(&column.t() / value));
            }
        }
        Ok(any.then_some(inverse))
    }

    /// Takes note of the largest entry of the diagonal, which the norm of the matrix is not less than.
    pub(super) fn raise_scale_to_diagonal(&mut self) -> Result<(), Failure> {
        let Some(entries) = self.matrix.operator.entries() else {
            return Ok(());
        };
        let mut diagonal = vec![0.0; self.matrix.operator.len()];
        let computed = entries.compute_diagonal(&mut diagonal);
        computed.map_err(|error| self.failed(Part::Operator, error))?;
        let largest = diagonal.into_iter().fold(0.0, f64::max);
        self.raise_scale(largest + self.matrix.alpha);
        Ok(())
    }

    pub(super) fn raise_scale(&mut self, scale: f64) {
        if scale.is_finite() {
            self.scale = self.scale.max(scale);
        }
    }

    /// `|A |p|| / |p|` for the direction `p = P y`: what rounding errors in `A p` are proportional to, even
    /// where `A p` itself is small because its terms cancel.
    fn rounding_scale(&mut self, y: ArrayView1<'_, f64>) -> Result<f64, Failure> {
        let mut magnitudes = combination(&self.directions, y);
        magnitudes.data_mut().iter_mut().for_each(|p| *p = p.abs());
        let mut product = magnitudes.clone();
        let applied = self
            .matrix
            .apply(Precision::Double, &magnitudes, &mut product);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let lengths = norms(&product).into_iter().zip(norms(&magnitudes));
        Ok(lengths.map(|(ap, p)| ap / p).fold(0.0, f64::max))
    }

    /// The system whose residual has the largest part, relative to its size, along the direction `P y`.
    fn most_along(&self, y: ArrayView1<'_, f64>) -> usize {
        // P'R = C, since P'Q = Id.
        let along = y.dot(&self.coefficients);
        let share = |c: usize| (along[c] / self.systems[c].now.residual).abs();
        let larger = |best: usize, c: usize| if share(c) > share(best) { c } else { best };
        let column = (0..self.systems.len()).reduce(larger).unwrap_or(0);
        self.systems.get(column).map_or(0, |system| system.index)
    }

    /// Compares `p'Aq` with `q'Ap` for the directions at hand. Without symmetry there is no norm of the error to bound.
    fn compare_with_transpose(
        &mut self,
        curvature: &Array2<f64>,
        lengths: &Array2<f64>,
        product: &Block,
    ) -> Result<(), Failure> {
        if self.iteration > COMPARED || self.asymmetry > 0.0 {
            return Ok(());
        }
        let root = |squares: &Array2<f64>| squares.diag().mapv(f64::sqrt);
        let lengths = root(lengths);
        let mut largest = (0.0, 0);
        let mut compare = |there: &Array2<f64>, back: &Array2<f64>, others: &Array1<f64>| {
            for ((i, j), there) in there.indexed_iter() {
                let difference = (there - back[[j, i]]).abs() / others[i] / lengths[j];
                if difference > largest.0 {
                    largest = (difference, j);
                }
            }
        };
        compare(curvature, curvature, &lengths);
        if let Some(previous) = &self.previous {
            let there = products(&previous.p, product);
            let back = products(&self.directions, &previous.product);
            let others = root(&products(&previous.p, &previous.p));
            compare(&there, &back, &others);
        }
        let (difference, column) = largest;
        let slack = ASYMMETRY * self.roundoff() * self.directions.rows().max(1.0).sqrt();
        if difference <= slack * self.scale {
            return Ok(());
        }
        let mut y = Array1::zeros(lengths.len());
        y[column] = 1.0;
        let scale = self.rounding_scale(y.view())?;
        self.raise_scale(scale);
        if difference <= slack * self.scale {
            return Ok(());
        }
        self.asymmetry = difference / self.scale;
        self.error_bound.restart();
        if self.is_for_error() {
            return Err(self.not_symmetric());
        }
        Ok(())
    }

    pub(super) fn not_symmetric(&self) -> Failure {
        Failure::NotSymmetric {
            iteration: self.iteration,
            asymmetry: self.asymmetry,
        }
    }

    /// How far the recursion takes the iterates to be from the solutions, after a step by the matrix `S` of the new residuals.
    fn distances(&mut self, s: &Array2<f64>) -> Result<Vec<Distance>, Failure> {
        let c = &self.coefficients;
        let residuals = if self.basis.z.is_some() {
            let gram = products(&self.basis.q, &self.basis.q);
            let squares = (&gram.dot(c) * c).sum_axis(Axis(0));
            squares.mapv(|square| square.max(0.0).sqrt()).to_vec()
        } else {
            column_norms(c)
        };
        if residuals.iter().any(|norm| !norm.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let m = self.lower_bound();
        let errors = if m <= 0.0 {
            vec![f64::INFINITY; residuals.len()]
        } else if self.precision == Precision::Working {
            // The recursion of the bounds is one of exact products.
            unconditional(m, c)
        } else {
            // Rounding errors move eigenvalues by u |A|, and those of P^-1 A by as much relative to alpha.
            let moved = ROUNDING * DOUBLE_ROUNDOFF * self.scale / self.matrix.alpha;
            let node = m * if moved < 0.5 { 1.0 - moved } else { 0.5 };
            self.error_bound.advance(node, s, c)
        };
        let slack = self.preconditioner_slack;
        let distance = |(residual, error): (f64, f64)| self.plain(residual).or(slack * error);
        Ok(residuals.into_iter().zip(errors).map(distance).collect())
    }

    /// What the norm of a residual alone says.
    pub(super) fn plain(&self, residual: f64) -> Distance {
        if self.asymmetry > 0.0 {
            return Distance {
                residual,
                error: f64::INFINITY,
            };
        }
        Distance::plain(residual, self.matrix.alpha)
    }

    /// A number `m` with `A >= m P`, or 0 if none is known.
    fn lower_bound(&self) -> f64 {
        let alpha = self.matrix.alpha;
        match &self.preconditioner {
            _ if self.asymmetry > 0.0 => 0.0,
            Some(preconditioner) => preconditioner.lower_bound(alpha),
            None => alpha,
        }
    }

    /// The true distances of the iterates of some of the systems, which have the residuals `truth`.
    pub(super) fn true_distances(
        &self,
        systems: &[usize],
        truth: &Block,
    ) -> Result<Vec<Distance>, Failure> {
        let m = self.lower_bound();
        let z = if m > 0.0 {
            self.preconditioned(truth)?
        } else {
            None
        };
        let squares = column_sums(truth, z.as_ref().unwrap_or(truth), |t, z| [t * z]);
        let known = norms(truth).into_iter().zip(squares).zip(systems);
        let distance = |((residual, [rz]), &c): ((f64, [f64; 1]), &usize)| {
            let mut distance = self.plain(residual);
            if m > 0.0 {
                distance = distance.or(self.preconditioner_slack * (rz / m).sqrt());
            }
            distance.error += self.rounding_error(c);
            distance
        };
        Ok(known.map(distance).collect())
    }

    /// [`Cg::preconditioned`] of independent columns, and an error if the preconditioner is not definite: `r'P^-1 r` is to be more than `least |r| |P^-1 r|`.
    fn definite(&self, r: &Block, least: f64) -> Result<Option<Block>, Failure> {
        let z = self.preconditioned(r)?;
        if let Some(z) = &z {
            let values = column_sums(r, z, |r, z| [r * z]);
            let sizes = norms(r).into_iter().zip(norms(z));
            for ([value], (r, z)) in values.into_iter().zip(sizes) {
                if r > 0.0 && value <= least * r * z && (z > 0.0 || least == 0.0) {
                    let iteration = self.iteration + 1;
                    return Err(Failure::PreconditionerIndefinite { iteration, value });
                }
            }
        }
        Ok(z)
    }

    /// `P^-1 R`, if there is a preconditioner.
    fn preconditioned(&self, r: &Block) -> Result<Option<Block>, Failure> {
        let Some(preconditioner) = &self.preconditioner else {
            return Ok(None);
        };
        let mut z = r.clone();
        if !r.data().is_empty() {
            let n = self.matrix.operator.len();
            let applied = view(n, r).and_then(|r| preconditioner.apply(r, view_mut(n, &mut z)?));
            applied.map_err(|error| Failure::Apply {
                part: Part::Preconditioner,
                iteration: self.iteration + 1,
                error,
            })?;
        }
        if !z.data().iter().all(|z| z.is_finite()) {
            let (part, iteration) = (Part::Preconditioner, self.iteration + 1);
            return Err(Failure::NonFinite { part, iteration });
        }
        Ok(Some(z))
    }
}

/// The vector `P y`.
fn combination(p: &Block, y: ArrayView1<'_, f64>) -> Block {
    p.times(&y.insert_axis(Axis(1)).to_owned())
}
