//! The search for pivots: how many, and which.

use std::collections::VecDeque;

use super::super::FEW;
use super::super::operator::Entries;
use super::factor::{Candidates, Factor, LEAST_PIVOT, Trouble};
use super::model::{Model, Residual};
use super::random::Random;

/// The fewest candidates that are drawn together.
const LEAST_BLOCK: usize = 10;
/// The most given pivots that are eliminated together.
const GIVEN_BLOCK: usize = 64;
/// What the factorisation of [`Choice::Auto`] may take in memory, in numbers: 1 GiB.
const MOST_NUMBERS: usize = 1 << 27;
/// Alpha as a multiple of the trace below which the model takes it for 0.
const LEAST_ALPHA: f64 = 1e-14;

/// How the pivots are chosen, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Choice<'a> {
    /// At random, as many as pay.
    Auto,
    /// At random, so many.
    Random(usize),
    /// Always the largest, so many.
    Greedy(usize),
    /// So many out of all points, with equal probabilities.
    Uniform(usize),
    /// These.
    Given(&'a [usize]),
}

/// The system that is to be preconditioned.
pub(in super::super) struct Request<'a> {
    pub(in super::super) n: usize,
    /// The number of right-hand sides.
    pub(in super::super) columns: usize,
    pub(in super::super) alpha: f64,
    /// The factor by which residuals must be reduced.
    pub(in super::super) reduction: f64,
    /// Whether there is time left.
    pub(in super::super) go_on: &'a dyn Fn() -> bool,
}

/// Grows a factorisation as chosen. Whether it is to be used; [`Trouble`] if it cannot be.
pub(super) fn search(
    factor: &mut Factor,
    entries: &dyn Entries,
    choice: Choice<'_>,
    request: &Request<'_>,
) -> Result<bool, Trouble> {
    match choice {
        Choice::Auto => auto(factor, entries, request),
        Choice::Random(rank) => random(factor, entries, request, rank),
        Choice::Greedy(rank) => greedy(factor, entries, request, rank),
        Choice::Uniform(rank) => given(factor, entries, request, &uniform(request.n, rank)),
        Choice::Given(points) => given(factor, entries, request, points),
    }
}

/// Grows a factorisation for as long as that pays. Whether it is to be used.
fn auto(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
) -> Result<bool, Trouble> {
    let n = request.n;
    if n <= FEW {
        let all: Vec<_> = (0..n).collect();
        return given(factor, entries, request, &all);
    }
    let trace = factor.trace();
    let model = Model {
        n,
        columns: request.columns,
        entry: entries.cost(),
        speedup: entries.speedup().max(1.0),
        density: entries.density(),
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
        let growth = factor.grow(entries, &candidates, Some(&mut random), LEAST_PIVOT)?;
        if !growth.sound {
            break;
        }
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
    Ok(model.remaining(&residual) < plain)
}

/// Grows a factorisation to a rank, or to the numerical rank of the matrix.
fn random(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
    rank: usize,
) -> Result<bool, Trouble> {
    let mut random = Random::default();
    let mut block = LEAST_BLOCK;
    while factor.rank() < rank && (request.go_on)() {
        let Some(candidates) = factor.draw(block.min(rank - factor.rank()), &mut random) else {
            break;
        };
        let growth = factor.grow(entries, &candidates, Some(&mut random), LEAST_PIVOT)?;
        if !growth.sound {
            break;
        }
        block = next_block(factor.rank(), growth.accepted);
    }
    Ok(true)
}

/// As [`random`], with the point of largest residual for the next pivot.
fn greedy(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
    rank: usize,
) -> Result<bool, Trouble> {
    while factor.rank() < rank && (request.go_on)() {
        let Some(candidate) = factor.largest_point() else {
            break;
        };
        let growth = factor.grow(entries, &candidate, None, LEAST_PIVOT)?;
        if !growth.sound {
            break;
        }
    }
    Ok(true)
}

/// The number of candidates to draw next: half the rank, so that the rank grows geometrically, unless many were rejected.
fn next_block(rank: usize, accepted: usize) -> usize {
    (rank / 2).min(2 * accepted).max(LEAST_BLOCK)
}

/// Eliminates the given points one after the other, but for those that depend on others already eliminated. One that nearly does is put off, until
/// residuals everywhere are as small as its own.
fn given(
    factor: &mut Factor,
    entries: &dyn Entries,
    request: &Request<'_>,
    points: &[usize],
) -> Result<bool, Trouble> {
    let mut rest: VecDeque<usize> = points.iter().copied().collect();
    let mut put_off = VecDeque::new();
    let (mut block, mut accepted, mut least) = (LEAST_BLOCK, 0, LEAST_PIVOT);
    while (request.go_on)() {
        rest.retain(|&point| factor.is_left(point));
        if rest.is_empty() {
            // What nearly depends on all others is taken last, as long as rounding errors allow it.
            if accepted == 0 && std::mem::take(&mut least) == 0.0 {
                break;
            }
            (rest, accepted) = (std::mem::take(&mut put_off), 0);
            continue;
        }
        let next: Vec<usize> = rest.iter().copied().take(block).collect();
        let Some(candidates) = Candidates::given(&next, request.n) else {
            break;
        };
        let growth = factor.grow(entries, &candidates, None, least)?;
        if !growth.sound {
            break;
        }
        if growth.accepted == 0 {
            put_off.extend(rest.pop_front());
        }
        accepted += growth.accepted;
        block = (2 * growth.accepted).clamp(1, GIVEN_BLOCK);
    }
    Ok(true)
}

/// `count` different numbers below `n`, all sets with the same probability (the first steps of the shuffle of Fisher and Yates).
fn uniform(n: usize, count: usize) -> Vec<usize> {
    let mut random = Random::default();
    let mut points: Vec<usize> = (0..n).collect();
    let count = count.min(n);
    for k in 0..count {
        let other = k + (random.uniform() * (n - k) as f64) as usize;
        points.swap(k, other.min(n - 1));
    }
    points.truncate(count);
    points
}
