//! The steps of the recursion.

use ndarray::{Array1, Array2, ArrayView1, Axis};

use super::super::cholesky::Cholesky;
use super::super::dense::eigen;
use super::super::error_bound::{norms as column_norms, unconditional};
use super::super::multivector::sums::{Wanted, norms, products, request, roots};
use super::super::multivector::{Multivector, add_two_products};
use super::super::operator::Precision;
use super::super::report::{Failure, Part};
use super::super::system::Distance;
use super::basis::{Basis, orthonormal};
use super::smoothing::Smoothing;
use super::{Cg, DOUBLE_ROUNDOFF};
use crate::cuda::Term;
use crate::memory::repeated;

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
    p: Multivector,
    /// `A P`.
    product: Multivector,
}

impl Cg<'_> {
    /// Begins the recursion from residuals.
    pub(super) fn begin(&mut self, residuals: Multivector) -> Result<(), Failure> {
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
        let product = self.matrix.times(self.precision, &self.directions);
        let product = product.map_err(|error| self.failed(Part::Operator, error))?;
        let several = self.basis.q.width() > 1;
        let (p, q) = (&self.directions, &self.basis.q);
        let pairs = |a, b| Wanted::Sums(Term::Pairs, a, b);
        let previous = self.previous.as_ref();
        let previous = previous.filter(|_| self.is_compared());
        let sums = request([
            pairs(p, &product),
            pairs(p, p),
            Wanted::Sums(Term::Same, &product, &product),
            // P'Q is the identity, but for a block which rounding errors have part in.
            if several {
                pairs(p, q)
            } else {
                Wanted::Nothing
            },
            previous.map_or(Wanted::Nothing, |previous| pairs(&previous.p, &product)),
            previous.map_or(Wanted::Nothing, |previous| pairs(p, &previous.product)),
            previous.map_or(Wanted::Nothing, |previous| pairs(&previous.p, &previous.p)),
        ]);
        let has_previous = previous.is_some();
        let [curvature, lengths, squares, along, there, back, others] = sums.take();
        if !curvature.iter().all(|entry| entry.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let sizes = roots(&squares, &product);
        // By how much rounding errors in the products are larger in the curvature, relative to it.
        let mut cancellation = 1.0_f64;
        for (c, norm) in sizes.iter().enumerate() {
            let length = lengths[[c, c]].sqrt();
            self.raise_scale(norm / length);
            cancellation = cancellation.max(norm * length / curvature[[c, c]]);
        }
        let with_previous = has_previous.then_some([&there, &back, &others]);
        self.compare_with_transpose(&curvature, &lengths, with_previous)?;
        let curvature = 0.5 * (&curvature + &curvature.t());
        let Some(inverse) = self.inverse_curvature(&curvature, &lengths)? else {
            return Ok(false);
        };
        let along = several.then_some(along);
        let step = match &along {
            Some(along) => inverse.dot(along),
            None => inverse.clone(),
        };
        let steps = step.dot(&self.coefficients);
        if !steps.iter().all(|entry| entry.is_finite()) {
            return Ok(false);
        }
        let mut w = std::mem::replace(&mut self.basis.q, Multivector::empty());
        add_two_products(
            (&mut self.x, &self.directions, &steps),
            (&mut w, &product, &-&step),
        );
        let mut smoothing = self.begin_smoothing(|| w.times(&self.coefficients));
        // In working precision no recursion bounds errors, and products do not agree with each other well enough.
        let (basis, s) = if several && self.precision == Precision::Double {
            self.conjugate_basis(w, &product, &sizes, &inverse, &mut smoothing)?
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
        self.smooth(smoothing);
        Ok(true)
    }

    /// A basis of the new residuals `w`, orthogonal to the directions, of whose products `sizes` are the norms. Smoothing begins again if the iterates go further for it.
    ///
    /// Where little is left of residuals, to make them of length 1 makes rounding errors larger, and with them what is along the directions that have just been
    /// used. Bounds of errors count on nothing being there. One more step along these directions takes it off.
    fn conjugate_basis(
        &mut self,
        w: Multivector,
        product: &Multivector,
        sizes: &[f64],
        inverse: &Array2<f64>,
        smoothing: &mut Option<Smoothing>,
    ) -> Result<(Basis, Array2<f64>), Failure> {
        let (mut q, s, along) = orthonormal(w, Some(&self.directions));
        let along = along.unwrap_or_else(|| products(&self.directions, &q));
        let along = inverse.dot(&along);
        let most = ArrayView1::from(sizes)
            .dot(&along.mapv(f64::abs))
            .fold(0.0, |most: f64, &m| m.max(most));
        // NaN is left to those who look for it.
        if most.is_nan() || most <= CONJUGATE {
            return Basis::of_orthonormal(q, s, |q| self.definite(q, -INDEFINITE));
        }
        let coefficients = s.dot(&self.coefficients);
        let steps = along.dot(&coefficients);
        add_two_products(
            (&mut self.x, &self.directions, &steps),
            (&mut q, product, &-&along),
        );
        *smoothing = self.begin_smoothing(|| q.times(&coefficients));
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
        let diagonal = repeated(self.matrix.operator.len(), 0.0);
        let mut diagonal = diagonal.map_err(|error| self.failed(Part::Operator, error.into()))?;
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
        let magnitudes = combination(&self.directions, y).magnitudes();
        let product = self.matrix.times(Precision::Double, &magnitudes);
        let product = product.map_err(|error| self.failed(Part::Operator, error))?;
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

    /// Whether the operator is still compared with its transpose.
    fn is_compared(&self) -> bool {
        self.iteration <= COMPARED && self.asymmetry == 0.0
    }

    /// Compares `p'Aq` with `q'Ap` for the directions at hand, and for these and the previous ones, of which it takes both and the products of the previous ones with
    /// each other. Without symmetry there is no norm of the error to bound.
    fn compare_with_transpose(
        &mut self,
        curvature: &Array2<f64>,
        lengths: &Array2<f64>,
        with_previous: Option<[&Array2<f64>; 3]>,
    ) -> Result<(), Failure> {
        if !self.is_compared() {
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
        if let Some([there, back, others]) = with_previous {
            compare(there, back, &root(others));
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
            let known = self.basis.lengths.clone();
            let gram = known.unwrap_or_else(|| products(&self.basis.q, &self.basis.q));
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
    pub(super) fn lower_bound(&self) -> f64 {
        let alpha = self.matrix.alpha;
        match &self.preconditioner {
            _ if self.asymmetry > 0.0 => 0.0,
            Some(preconditioner) => preconditioner.lower_bound(alpha),
            None => alpha,
        }
    }
}

/// The vector `P y`.
fn combination(p: &Multivector, y: ArrayView1<'_, f64>) -> Multivector {
    p.times(&y.insert_axis(Axis(1)).to_owned())
}
