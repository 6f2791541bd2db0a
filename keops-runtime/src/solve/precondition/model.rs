//! What a preconditioner costs, and what it saves.
//!
//! All costs are in multiply-adds of double precision within a well filled loop. They are computed from the sizes alone, never from measured
//! times, so that a solve takes the same decisions wherever it runs.

/// Cost of an entry of a row in double precision, relative to one within a product in working precision.
const ENTRY: f64 = 6.0;
/// Cost of a multiply-add of a product of matrices.
const MULTIPLY: f64 = 2.0;
/// Cost of reading a number from memory.
const READ: f64 = 8.0;
/// Cost of starting a product with the operator, and all else that an iteration costs whatever the size.
const START: f64 = 5e4;
/// Cost of starting on a block of rows.
const START_BLOCK: f64 = 5e5;
/// Iterations to gain a factor of `e`, by the root of the condition number. For one whose eigenvalues are spread evenly it is 1/2; with what a
/// partial Cholesky factorisation leaves, of which few eigenvalues are large, 0.2 is what one sees, and so with plain kernel matrices.
const RATE: f64 = 0.2;

/// The sizes of a solve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// The number of rows.
    pub(super) n: usize,
    /// The number of right-hand sides.
    pub(super) columns: usize,
    /// [`Entries::cost`](super::super::operator::Entries::cost).
    pub(super) entry: f64,
    /// [`Entries::speedup`](super::super::operator::Entries::speedup).
    pub(super) speedup: f64,
    /// [`Entries::density`](super::super::operator::Entries::density).
    pub(super) density: f64,
    /// The multiple of the identity.
    pub(super) alpha: f64,
    /// The factor by which residuals must be reduced.
    pub(super) reduction: f64,
    /// The largest number of iterations.
    pub(super) limit: usize,
}

/// What is known of a residual `R`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residual {
    /// The rank that leaves it.
    pub(super) rank: usize,
    pub(super) trace: f64,
    /// The largest entry of the diagonal.
    pub(super) largest: f64,
    /// An estimate of `|R| / trace R`.
    pub(super) concentration: f64,
}

impl Residual {
    /// An estimate of `|R|`.
    fn norm(&self) -> f64 {
        (self.concentration * self.trace + self.largest).min(self.trace)
    }

    /// What may be expected at a higher rank if each pivot takes off the same part of the residual, `1 - decay`.
    fn at(&self, rank: usize, decay: f64) -> Self {
        let left = decay.powf((rank - self.rank) as f64);
        Self {
            rank,
            trace: left * self.trace,
            largest: left * self.largest,
            ..*self
        }
    }
}

impl Model {
    /// The predicted number of iterations.
    fn iterations(&self, norm: f64) -> f64 {
        let condition = 1.0 + norm / self.alpha;
        let digits = (2.0 * self.reduction).ln();
        (1.0 + RATE * condition.sqrt() * digits).min(self.limit as f64)
    }

    /// The cost of what is left to do at a rank: to make the inverse, and to iterate.
    pub(super) fn remaining(&self, residual: &Residual) -> f64 {
        let (n, rank) = (self.n as f64, residual.rank as f64);
        let columns = self.columns as f64;
        let product = START + self.density * n * n * (self.entry + columns) / self.speedup;
        let application = 2.0 * n * rank * READ.max(2.0 * columns);
        let inverse = MULTIPLY * rank * rank * (n / 2.0 + rank / 6.0);
        inverse + self.iterations(residual.norm()) * (product + application)
    }

    /// The cost of growing a factorisation.
    pub(super) fn growth(&self, from: usize, to: usize) -> f64 {
        let (n, added) = (self.n as f64, (to - from) as f64);
        let mean = 0.5 * (from + to) as f64;
        START_BLOCK + n * added * (ENTRY * self.density * self.entry + MULTIPLY * mean)
    }

    /// Whether it pays to grow a factorisation by `block`, or to begin with that and go further, up to rank `most`, if `decay` is
    /// what a pivot leaves of the residual.
    pub(super) fn pays(&self, residual: &Residual, decay: f64, block: usize, most: usize) -> bool {
        let here = self.remaining(residual);
        let rank = residual.rank;
        let next = (rank + block).min(most);
        [next, next.saturating_mul(2), next.saturating_mul(4), self.n]
            .into_iter()
            .filter(|&to| to > rank && to <= most)
            .any(|to| {
                let decay = if to == self.n { 0.0 } else { decay };
                self.growth(rank, to) + self.remaining(&residual.at(to, decay)) < here
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{Model, Residual};

    const MODEL: Model = Model {
        n: 5000,
        columns: 1,
        entry: 8.0,
        speedup: 1.0,
        density: 1.0,
        alpha: 0.01,
        reduction: 1e6,
        limit: 20_000,
    };

    /// The estimates for the residuals of a Gaussian system of 2000 points, whose norms are known from its eigenvalues.
    #[test]
    fn iterations_are_about_those_that_are_seen() {
        for (ratio, seen) in [(439.0, 53.0), (41.0, 19.0), (14.0, 10.0), (1.11, 3.0)] {
            let predicted = MODEL.iterations(0.01 * (ratio - 1.0));
            assert!((predicted / seen).ln().abs() < 0.5, "{predicted} {seen}");
        }
    }

    /// What pays where products are slow does not where a device has them done in no time.
    #[test]
    fn fast_products_need_no_preconditioner() {
        let residual = Residual {
            rank: 10,
            trace: 5000.0,
            largest: 1.0,
            concentration: 0.05,
        };
        assert!(MODEL.pays(&residual, 0.98, 10, 5000));
        let fast = Model {
            speedup: 1e6,
            ..MODEL
        };
        assert!(!fast.pays(&residual, 0.98, 10, 5000));
    }

    #[test]
    fn what_does_not_fall_is_left_alone() {
        let residual = Residual {
            rank: 10,
            trace: 5000.0,
            largest: 1.0,
            concentration: 0.0,
        };
        assert!(!MODEL.pays(&residual, 1.0 - 1e-4, 10, 5000));
        let concentrated = Residual {
            concentration: 0.05,
            ..residual
        };
        assert!(MODEL.pays(&concentrated, 0.98, 10, 5000));
        assert!(!MODEL.pays(&concentrated, 0.98, 10, 10));
    }
}
