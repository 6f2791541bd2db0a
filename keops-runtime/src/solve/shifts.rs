//! Conjugate gradients for all shifts of a matrix at once.

use ndarray::{Array2, ArrayView2};

use super::block::Block;
use super::log_det::working_precision;
use super::multivector::Multivector;
use super::multivector::sums::{Wanted, norms, request};
use super::operator::{LinearOperator, Precision};
use super::product::{DOUBLE_ROUNDOFF, Matrix};
use super::report::Products;
use crate::cuda::{Rule, Term};

/// What a shift needs beside the recursion of the smallest.
struct Shift {
    /// What is added to the smallest shift.
    distance: f64,
    /// The iterates.
    x: Multivector,
    /// The directions, divided by `zeta`.
    p: Multivector,
    columns: Vec<Column>,
}

/// How far the recursion is.
pub(super) struct Progress<'a> {
    pub(super) iteration: usize,
    /// The squares of the residuals of the smallest shift.
    pub(super) squares: &'a [f64],
    /// The number of entries of each.
    pub(super) rows: f64,
    pub(super) precision: Precision,
}

/// One column: the residual of the shifted system is `zeta` times that of the unshifted one.
#[derive(Clone, Copy)]
struct Column {
    zeta: f64,
    before: f64,
    done: bool,
}

/// Approximate solutions of `(alpha Id + K) a = b` for every `alpha`, by the products that the smallest takes alone, without a preconditioner; and
/// these products; no solutions if a device fails. `goal` are the norms of residuals that are wanted for each column. A recursion that breaks down, reaches the limit, or is not to
/// `go_on`, ends all of them where they are.
///
/// Krylov spaces do not depend on the shift, and the residuals of all shifts are parallel. Source: A. Frommer, P. Maass, *Fast CG-based methods for
/// Tikhonov-Phillips regularization*, SIAM J. Sci. Comput. 20 (1999); B. Jegerlehner, *Krylov space solvers for shifted linear systems*,
/// arXiv:hep-lat/9612014.
pub(super) fn shifted(
    operator: &dyn LinearOperator,
    b: ArrayView2<'_, f64>,
    alphas: &[f64],
    goal: impl Fn(f64, f64) -> f64,
    limit: usize,
    mut go_on: impl FnMut(&Progress<'_>) -> bool,
) -> (Vec<Array2<f64>>, Products) {
    let (shape, smallest) = (
        b.dim(),
        alphas.iter().copied().fold(f64::INFINITY, f64::min),
    );
    let mut matrix = if b.is_empty() {
        Matrix::new(operator, smallest)
    } else {
        Matrix::placed_by(operator, smallest)
    };
    let width = if operator.couples_columns() {
        1
    } else {
        shape.1
    };
    let mut r = matrix.placed(Block::from_rows(width, b.iter().copied().collect()));
    let rows = r.rows();
    // The recursion tells of residuals that rounding errors do not allow.
    let goal = |norm: f64| goal(norm, rows).max(DOUBLE_ROUNDOFF * norm);
    let goals: Vec<f64> = norms(&r).into_iter().map(goal).collect();
    let start = |alpha: &f64| Shift {
        distance: alpha - smallest,
        x: r.zeros_alike(),
        p: r.clone(),
        columns: vec![
            Column {
                zeta: 1.0,
                before: 1.0,
                done: false,
            };
            width
        ],
    };
    let mut shifts: Vec<Shift> = alphas.iter().map(start).collect();
    let mut p = r.clone();
    let mut rr = sums_of(&r, &r);
    let (mut step, mut beta) = (vec![1.0; width], vec![0.0; width]);
    let precision = working_precision(operator);
    for iteration in 0..limit {
        for shift in &mut shifts {
            shift.retire(&rr, &goals);
        }
        if shifts.iter().all(|s| s.columns.iter().all(|c| c.done)) {
            break;
        }
        let progress = Progress {
            iteration,
            squares: &rr,
            rows,
            precision,
        };
        if !go_on(&progress) {
            break;
        }
        let Ok(ap) = matrix.times(precision, &p) else {
            break;
        };
        let curvature = sums_of(&p, &ap);
        let last = std::mem::take(&mut step);
        step = rr
            .iter()
            .zip(curvature)
            .map(|(rr, pap)| if *rr == 0.0 { 0.0 } else { rr / pap })
            .collect();
        if !step.iter().all(|step| *step >= 0.0 && step.is_finite()) {
            break;
        }
        for shift in &mut shifts {
            shift.advance(&step, &last, &beta);
        }
        r.update(&ap, Rule::Subtract, &step);
        let next = sums_of(&r, &r);
        beta = next
            .iter()
            .zip(&rr)
            .map(|(next, rr)| if *rr == 0.0 { 0.0 } else { next / rr })
            .collect();
        rr = next;
        p.update(&r, Rule::Turn, &beta);
        for shift in &mut shifts {
            shift.turn(&r, &beta);
        }
    }
    let solutions = shifts.into_iter().map(|shift| {
        let x = shift.x.to_host();
        let x = ArrayView2::from_shape(shape, x.data());
        x.map_or_else(|_| Array2::zeros(shape), |x| x.to_owned())
    });
    let solutions = solutions.collect();
    // Numbers that a device could not hand over are none.
    match matrix.trouble() {
        None => (solutions, matrix.products),
        Some(_) => (Vec::new(), matrix.products),
    }
}

impl Shift {
    /// Leaves columns alone whose residuals are small enough.
    fn retire(&mut self, rr: &[f64], goals: &[f64]) {
        for ((column, rr), goal) in self.columns.iter_mut().zip(rr).zip(goals) {
            // Far below the goal the next zeta would underflow.
            column.done = column.done || column.zeta.abs() * rr.sqrt() <= *goal;
        }
    }

    /// Goes along the directions, where `step`, the one before it and `beta` are those of the unshifted system.
    fn advance(&mut self, step: &[f64], last: &[f64], beta: &[f64]) {
        let mut steps = vec![0.0; self.columns.len()];
        for (c, column) in self.columns.iter_mut().enumerate() {
            if column.done {
                continue;
            }
            let (zeta, before) = (column.zeta, column.before);
            let denominator = step[c] * beta[c] * (before - zeta)
                + before * last[c] * (1.0 + self.distance * step[c]);
            let next = zeta * before * last[c] / denominator;
            (column.before, column.zeta) = (zeta, next);
            steps[c] = step[c] * next;
        }
        self.x.update(&self.p, Rule::Add, &steps);
    }

    /// Chooses the next directions for the residuals `r` of the unshifted system.
    fn turn(&mut self, r: &Multivector, beta: &[f64]) {
        let scaled = self.columns.iter().zip(beta);
        let coefficients: Vec<f64> = scaled
            .map(|(column, beta)| beta * column.zeta / column.before)
            .collect();
        self.p.update(r, Rule::Turn, &coefficients);
    }
}

/// The sums of the products of columns.
fn sums_of(a: &Multivector, b: &Multivector) -> Vec<f64> {
    let [sums] = request([Wanted::Sums(Term::Same, a, b)]).take();
    sums.into_iter().collect()
}
