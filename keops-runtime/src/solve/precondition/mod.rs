//! Preconditioners made of entries of the matrix: partial Cholesky factorisations with pivots.
//!
//! `r` steps of Cholesky's method, with pivots chosen on the way, need the diagonal of `K` and `r` of its rows, and give `K = F F' + R` with
//! `F` of `r` columns and `R` positive semidefinite. The preconditioner is `P = F F' + alpha Id`. From
//!
//! ```text
//! P  <=  alpha Id + K  <=  P + |R| Id  <=  (1 + |R| / alpha) P
//! ```
//!
//! follows a bound of the condition number of the preconditioned matrix, `1 + |R| / alpha <= 1 + trace(R) / alpha`, whose right side is known
//! exactly: the diagonal of `R` is what the pivots are chosen by. Memory is that of `r` vectors, and work `n r` entries and `n r^2` operations.
//!
//! Pivots are drawn at random with probabilities proportional to the diagonal of the present residual (RPCholesky), in blocks with
//! rejection, so that nearly all work is in products of matrices; or, on request, the largest diagonal entry is taken each time.
//!
//! # References
//!
//! M. Diaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber, *Robust, randomized preconditioning for kernel ridge regression*,
//! arXiv:2304.12465.
//! E. N. Epperly, J. A. Tropp, R. J. Webber, *Embrace rejection: kernel matrix approximation by accelerated randomly pivoted Cholesky*,
//! arXiv:2410.03969 (2024).

mod factor;
mod low_rank;
mod model;
mod random;
#[cfg(test)]
mod tests;

use self::factor::Factor;
use self::low_rank::LowRank;
use self::model::{Model, Residual};
use self::random::Random;
use super::operator::{Entries, OperatorError};
use super::options::Precondition;
use super::report::PreconditionerReport;

/// The fewest candidates that are drawn together.
const LEAST_BLOCK: usize = 10;
/// What the factorisation of [`Choice::Auto`] may take in memory, in numbers: 1 GiB.
const MOST_NUMBERS: usize = 1 << 27;
/// Alpha as a multiple of the trace below which the model takes it for 0.
const LEAST_ALPHA: f64 = 1e-14;

/// How the pivots are chosen, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// At random, as many as pay.
    Auto,
    /// At random, so many.
    Random(usize),
    /// Always the largest, so many.
    Greedy(usize),
}

/// The system that is to be preconditioned.
pub(super) struct Request<'a> {
    pub(super) n: usize,
    /// The number of right-hand sides.
    pub(super) columns: usize,
    pub(super) alpha: f64,
    /// The factor by which residuals must be reduced.
    pub(super) reduction: f64,
    /// Whether there is time left.
    pub(super) go_on: &'a dyn Fn() -> bool,
}

/// A preconditioner, if one can be had and pays, and the report on it.
pub(super) fn build(
    entries: &dyn Entries,
    choice: Choice,
    request: &Request<'_>,
) -> Result<(Option<Box<dyn Precondition>>, PreconditionerReport), OperatorError> {
    let mut report = PreconditionerReport {
        rank: 0,
        condition: f64::INFINITY,
        entries: request.n,
    };
    let Some(mut factor) = Factor::new(entries, request.n)? else {
        return Ok((None, report));
    };
    let plain = factor.trace_bound();
    let sound = match choice {
        Choice::Auto => auto(&mut factor, entries, request)?,
        Choice::Random(rank) => fixed(&mut factor, entries, request, rank)?,
        Choice::Greedy(rank) => greedy(&mut factor, entries, request, rank)?,
    };
    report.entries = factor.entries;
    // A matrix that is not semidefinite is left to the iterations, which prove it.
    let Some(used) = sound else {
        return Ok((None, report));
    };
    let alpha = request.alpha;
    if alpha > 0.0 {
        report.condition = (alpha + plain) / alpha;
    }
    if !used || factor.rank() == 0 {
        return Ok((None, report));
    }
    let (rank, residual) = (factor.rank(), factor.trace_bound());
    let Some(inverse) = LowRank::new(factor.into_transposed()?, alpha) else {
        return Ok((None, report));
    };
    report.rank = rank;
    if alpha > 0.0 {
        report.condition = inverse.shift().max(alpha + residual) / alpha;
    }
    Ok((Some(Box::new(inverse)), report))
}

/// Grows a factorisation for as long as that pays. Whether it is to be used; `None` if it cannot be.
fn auto(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
) -> Result<Option<bool>, OperatorError> {
    let n = request.n;
    let trace = factor.trace();
    let model = Model {
        n,
        columns: request.columns,
        entry: entries.cost(),
        alpha: request.alpha.max(LEAST_ALPHA * trace),
        reduction: request.reduction,
        // What a solve is allowed by default, and about what it takes where rounding errors rule.
        limit: n.saturating_mul(10).clamp(100, 20_000),
    };
    // The factor, and a block of rows and its accepted part, half as large at most.
    let most = (MOST_NUMBERS / n.max(1) / 2).min(n);
    // Until the first rows are known, the worst is assumed: that all the trace is in one eigenvalue, and that pivots reduce it.
    let mut residual = Residual {
        rank: 0,
        trace,
        largest: factor.largest_residual(),
        concentration: 1.0,
    };
    let mut decay = 0.0;
    let mut plain = f64::INFINITY;
    let mut random = Random::default();
    let mut block = LEAST_BLOCK;
    while residual.trace > 0.0 && (request.go_on)() && model.pays(&residual, decay, block, most) {
        let Some(candidates) = factor.draw(block.min(most - factor.rank()), &mut random) else {
            break;
        };
        let Some(growth) = factor.grow(entries, &candidates, Some(&mut random))? else {
            return Ok(None);
        };
        residual.concentration = growth.concentration;
        plain = plain.min(model.remaining(&residual));
        let trace = factor.trace();
        decay = (trace / residual.trace).powf(1.0 / growth.accepted.max(1) as f64);
        residual = Residual {
            rank: factor.rank(),
            trace,
            largest: factor.largest_residual(),
            ..residual
        };
        block = next_block(factor.rank(), growth.accepted);
    }
    Ok(Some(model.remaining(&residual) < plain))
}

/// Grows a factorisation to a rank, or to the numerical rank of the matrix. `None` if it is of no use.
fn fixed(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
    rank: usize,
) -> Result<Option<bool>, OperatorError> {
    let mut random = Random::default();
    let mut block = LEAST_BLOCK;
    while factor.rank() < rank && (request.go_on)() {
        let Some(candidates) = factor.draw(block.min(rank - factor.rank()), &mut random) else {
            break;
        };
        let Some(growth) = factor.grow(entries, &candidates, Some(&mut random))? else {
            return Ok(None);
        };
        block = next_block(factor.rank(), growth.accepted);
    }
    Ok(Some(true))
}

/// As [`fixed`], with the point of largest residual for the next pivot.
fn greedy(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
    rank: usize,
) -> Result<Option<bool>, OperatorError> {
    while factor.rank() < rank && (request.go_on)() {
        let Some(candidate) = factor.largest_point() else {
            break;
        };
        if factor.grow(entries, &candidate, None)?.is_none() {
            return Ok(None);
        }
    }
    Ok(Some(true))
}

/// The number of candidates to draw next: half the rank, so that the rank grows geometrically, unless many were rejected.
fn next_block(rank: usize, accepted: usize) -> usize {
    (rank / 2).min(2 * accepted).max(LEAST_BLOCK)
}
