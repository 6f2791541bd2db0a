//! The steps of the recursion.

use ndarray::{Array1, Array2, Axis};

use super::super::block::{Block, column_sums, products};
use super::super::cholesky::Cholesky;
use super::super::dense::{independent, smallest_eigenpair};
use super::super::operator::Precision;
use super::super::product::{norms, view, view_mut};
use super::super::report::{Failure, Part};
use super::super::system::{Distance, State};
use super::{Cg, DOUBLE_ROUNDOFF};

/// A direction is left out if a part of its square of this size or less is independent of the others: what is left of it would be
/// rounding errors in three digits.
const DEPENDENT: f64 = 1e-13;

/// The directions of an iteration.
pub(super) struct Directions {
    /// An orthonormal basis `Q`.
    basis: Block,
    /// `A Q`.
    product: Block,
    /// The factorisation of `Q'AQ`.
    curvature: Cholesky,
    /// `Q'R` for the residuals before the step.
    along: Array2<f64>,
}

impl Directions {
    /// The coefficients `-(Q'AQ)^-1 (AQ)'Z` that make `Z` conjugate to these directions.
    fn conjugation(&self, z: &Block) -> Array2<f64> {
        let mut c = products(&self.product, z);
        self.curvature.solve(&mut c);
        -c
    }
}

impl Cg<'_> {
    /// Chooses the next directions and goes along them to the minimum. `false` if rounding errors do not allow it.
    pub(super) fn step(&mut self) -> Result<bool, Failure> {
        for (system, &value) in self.systems.iter().zip(self.rz.diag()) {
            // Without a preconditioner r'z is positive but for underflow, which is found below.
            let in_work = system.state == State::Active;
            if value <= 0.0 && in_work && self.preconditioner.is_some() {
                let iteration = self.iteration;
                return Err(Failure::PreconditionerIndefinite { iteration, value });
            }
        }
        let single = self.systems.len() == 1;
        let mut w = self.residuals_preconditioned().clone();
        if let Some(last) = self.directions.take() {
            // Of one system these are the coefficients of Hestenes and Stiefel, `r'z / q'r_old`. Rounding errors delay them
            // less: on min(i, j) of 1000 rows they take 411 iterations, the others 446.
            let c = if single {
                &self.rz / &last.along
            } else {
                last.conjugation(&w)
            };
            w.add_product(&last.basis, &c);
        }
        let (basis, triangle) = orthonormal(w);
        let mut product = basis.clone();
        let applied = self.matrix.apply(self.precision, &basis, &mut product);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let curvature = products(&basis, &product);
        if !curvature.iter().all(|entry| entry.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        let curvature = 0.5 * (&curvature + &curvature.t());
        for norm in norms(&product) {
            if norm.is_finite() {
                self.scale = self.scale.max(norm);
            }
        }
        if self.is_lost(&basis, &curvature)? {
            return Ok(false);
        }
        let roundoff = match self.precision {
            Precision::Working => self.matrix.operator.working_roundoff(),
            Precision::Double => DOUBLE_ROUNDOFF,
        };
        let (chosen, curvature) = independent(&curvature, 8.0 * roundoff);
        if chosen.is_empty() {
            return Ok(false);
        }
        let basis = basis.select_columns(&chosen);
        let directions = Directions {
            along: if single {
                &self.rz / &triangle
            } else {
                products(&basis, &self.r)
            },
            product: product.select_columns(&chosen),
            basis,
            curvature,
        };
        let mut c = directions.along.clone();
        directions.curvature.solve(&mut c);
        if !c.iter().all(|entry| entry.is_finite()) {
            return Ok(false);
        }
        self.x.add_product(&directions.basis, &c);
        self.error_bound.step(&directions.along.t().dot(&c));
        c.mapv_inplace(|entry| -entry);
        self.r.add_product(&directions.product, &c);
        self.directions = Some(directions);
        Ok(true)
    }

    /// Whether the directions are of no use, because rounding errors exceed their least curvature.
    fn is_lost(&mut self, basis: &Block, curvature: &Array2<f64>) -> Result<bool, Failure> {
        let alpha = self.matrix.alpha;
        // Rounding errors move a curvature by u | |A| |p| | / |p| or so, with luck by less, and by as much as the number
        // of terms of a sum times that without.
        let slack = 8.0 * DOUBLE_ROUNDOFF * basis.rows().max(1.0).sqrt();
        let least = match self.precision {
            Precision::Working => 0.5 * alpha,
            Precision::Double => alpha - slack * self.scale,
        };
        let mut above = curvature.clone();
        above.diag_mut().mapv_inplace(|entry| entry - least);
        if Cholesky::new(above).is_ok() {
            return Ok(false);
        }
        let (smallest, direction) = smallest_eigenpair(curvature);
        if self.precision == Precision::Working {
            return Ok(smallest < least);
        }
        if smallest < least {
            self.scale = self.scale.max(self.rounding_scale(basis, &direction)?);
            if smallest < alpha - slack * self.scale {
                return Err(Failure::Indefinite {
                    iteration: self.iteration,
                    column: self.most_along(basis, &direction),
                    curvature: smallest,
                    alpha,
                });
            }
        }
        Ok(false)
    }

    /// `|A |p|| / |p|` for the direction `p = Q y`: what rounding errors in `A p` are proportional to, even
    /// where `A p` itself is small because its terms cancel.
    fn rounding_scale(&mut self, basis: &Block, y: &Array1<f64>) -> Result<f64, Failure> {
        let mut magnitudes = combination(basis, y);
        magnitudes.data_mut().iter_mut().for_each(|p| *p = p.abs());
        let mut product = magnitudes.clone();
        let applied = self
            .matrix
            .apply(Precision::Double, &magnitudes, &mut product);
        applied.map_err(|error| self.failed(Part::Operator, error))?;
        let sums = column_sums(&magnitudes, &product, |p, ap| [p * p, ap * ap]);
        Ok(sums.first().map_or(0.0, |[pp, apap]| (apap / pp).sqrt()))
    }

    /// The system whose residual has the largest part, relative to its size, along the direction `Q y`.
    fn most_along(&self, basis: &Block, y: &Array1<f64>) -> usize {
        let along = products(&combination(basis, y), &self.r);
        let share = |c: usize| (along[[0, c]] / self.systems[c].now.residual).abs();
        let larger = |best: usize, c: usize| if share(c) > share(best) { c } else { best };
        let column = (0..self.systems.len()).reduce(larger).unwrap_or(0);
        self.systems.get(column).map_or(0, |system| system.index)
    }

    /// `P^-1 R`, as last computed.
    fn residuals_preconditioned(&self) -> &Block {
        if self.preconditioner.is_some() {
            &self.z
        } else {
            &self.r
        }
    }

    /// Preconditions the residuals, and takes note of what they say of the distances.
    pub(super) fn advance(&mut self) -> Result<(), Failure> {
        let distances = self.distances()?;
        for (c, distance) in distances.into_iter().enumerate() {
            let system = &mut self.systems[c];
            if system.state == State::Active && system.advance(distance) {
                self.best.copy_column(c, &self.x, c);
            }
        }
        Ok(())
    }

    /// The same, where the recursion begins.
    pub(super) fn measure(&mut self) -> Result<(), Failure> {
        self.directions = None;
        self.error_bound.restart();
        let distances = self.distances()?;
        for (system, distance) in self.systems.iter_mut().zip(distances) {
            system.now.error = system.now.error.min(distance.error);
        }
        Ok(())
    }

    /// How far the recursion takes the iterates to be from the solutions.
    fn distances(&mut self) -> Result<Vec<Distance>, Failure> {
        let residuals = norms(&self.r);
        if residuals.iter().any(|norm| !norm.is_finite()) {
            return Err(self.non_finite(Part::Operator));
        }
        if self.preconditioner.is_some() {
            let mut z = std::mem::replace(&mut self.z, Block::zeros(0, 0));
            let applied = self.precondition_block(&self.r, &mut z);
            self.z = z;
            applied?;
        }
        let squares = products(&self.r, self.residuals_preconditioned());
        if !squares.diag().iter().all(|rz| rz.is_finite()) {
            let (part, iteration) = (Part::Preconditioner, self.iteration + 1);
            return Err(Failure::NonFinite { part, iteration });
        }
        let m = self.lower_bound();
        // The recursion of the bounds is one of exact products.
        if self.precision == Precision::Working || m <= 0.0 {
            self.error_bound.restart();
        }
        let errors = if m > 0.0 {
            self.error_bound.update(&squares / m)
        } else {
            vec![f64::INFINITY; residuals.len()]
        };
        self.rz = squares;
        let distance =
            |(residual, error): (f64, f64)| Distance::plain(residual, self.matrix.alpha).or(error);
        Ok(residuals.into_iter().zip(errors).map(distance).collect())
    }

    /// A number `m` with `A >= m P`.
    fn lower_bound(&self) -> f64 {
        let alpha = self.matrix.alpha;
        match &self.preconditioner {
            Some(preconditioner) => preconditioner.lower_bound(alpha),
            None => alpha,
        }
    }

    /// The true distances of iterates with the residuals `truth`.
    pub(super) fn true_distances(&self, truth: &Block) -> Result<Vec<Distance>, Failure> {
        let mut z = Block::zeros(0, 0);
        let m = self.lower_bound();
        let sums = if m > 0.0 && self.preconditioner.is_some() {
            self.precondition_block(truth, &mut z)?;
            column_sums(truth, &z, |t, z| [t * t, t * z])
        } else {
            column_sums(truth, truth, |t, z| [t * t, t * z])
        };
        let distance = |[square, rz]: [f64; 2]| {
            let plain = Distance::plain(square.sqrt(), self.matrix.alpha);
            plain.or((rz / m).sqrt())
        };
        Ok(sums.into_iter().map(distance).collect())
    }

    /// `z = P^-1 r`.
    fn precondition_block(&self, r: &Block, z: &mut Block) -> Result<(), Failure> {
        let (Some(preconditioner), false) = (&self.preconditioner, r.data().is_empty()) else {
            return Ok(());
        };
        z.reshape_like(r);
        let n = self.matrix.operator.len();
        let applied = view(n, r).and_then(|r| preconditioner.apply(r, view_mut(n, z)?));
        applied.map_err(|error| Failure::Apply {
            part: Part::Preconditioner,
            iteration: self.iteration + 1,
            error,
        })
    }
}

/// An orthonormal basis `Q` of the columns of `w`, but for those that depend on others, and the triangle `L` with `w = Q L'` for these: by
/// the Cholesky factorisation of their products with pivots, and once more, because the first pass is exact up to `u` times the square of
/// the condition number only.
fn orthonormal(w: Block) -> (Block, Array2<f64>) {
    let (chosen, first) = independent(&products(&w, &w), DEPENDENT);
    let basis = times_inverse(&w.select_columns(&chosen), &first);
    if chosen.len() > 1
        && let Ok(second) = Cholesky::new(products(&basis, &basis))
    {
        let triangle = first.lower().dot(second.lower());
        (times_inverse(&basis, &second), triangle)
    } else {
        (basis, first.lower().clone())
    }
}

/// `W L^-T`.
fn times_inverse(w: &Block, factor: &Cholesky) -> Block {
    let mut inverse = Array2::eye(factor.lower().nrows());
    factor.half_solve(&mut inverse);
    let mut out = w.clone();
    out.data_mut().fill(0.0);
    out.add_product(w, &inverse.reversed_axes());
    out
}

/// The vector `Q y`.
fn combination(basis: &Block, y: &Array1<f64>) -> Block {
    let mut out = basis.select_columns(&[0]);
    out.data_mut().fill(0.0);
    out.add_product(basis, &y.view().insert_axis(Axis(1)).to_owned());
    out
}
