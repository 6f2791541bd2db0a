//! One linear system of a block, and what the comparison of its two residuals means for it.

use super::operator::Precision;

/// The number of checks without progress, in double precision, after which a system has stagnated.
const STRIKES: usize = 3;
/// The number of iterations within which the residual is expected to be halved in working precision. A check costs a
/// product in double precision, so that checking as often as this adds no more than a few percent.
const PATIENCE: usize = 128;

/// Where a system stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In work.
    Active,
    /// Its true residual meets the tolerance.
    Converged,
    /// Given up; its true residual does not meet the tolerance.
    Failed,
}

/// One linear system, in units in which its right-hand side is of size 1.
#[derive(Debug)]
pub(super) struct System {
    /// Its place among the systems of the solve.
    pub(super) index: usize,
    /// What a number in these units is multiplied with to give the user's.
    pub(super) unit: f64,
    /// The largest norm of a residual that is good enough.
    pub(super) tolerance: f64,
    pub(super) state: State,
    /// The norm of the recursive residual.
    pub(super) norm: f64,
    /// The smallest norm of a recursive residual since the last restart.
    pub(super) best_norm: f64,
    /// The smallest norm of a true residual so far.
    pub(super) proven_norm: f64,
    /// The product `r'z` of the last direction.
    pub(super) rz: f64,
    /// Whether the next direction starts afresh.
    pub(super) restart: bool,
    /// The norm of the recursive residual at which the true one is looked at: `tolerance`, or half of it after a
    /// disappointment.
    target: f64,
    /// The norm of the true residual at the last check.
    checked: f64,
    /// The norm of the recursive residual when it was last halved, or checked.
    milestone: f64,
    /// The number of iterations since then.
    idle: usize,
    /// The number of checks without progress since the last with progress.
    strikes: usize,
}

impl System {
    /// A system that has not begun, but for its right-hand side of norm `norm`, the residual of the zero vector.
    pub(super) fn new(index: usize, unit: f64, tolerance: f64, norm: f64) -> Self {
        let mut system = Self {
            index,
            unit,
            tolerance,
            state: State::Active,
            norm,
            best_norm: norm,
            proven_norm: norm,
            rz: 0.0,
            restart: true,
            target: tolerance,
            checked: norm,
            milestone: norm,
            idle: 0,
            strikes: 0,
        };
        system.begin(norm);
        system
    }

    /// Begins with an iterate whose true residual has the norm `norm`.
    pub(super) fn begin(&mut self, norm: f64) {
        (self.norm, self.best_norm, self.proven_norm, self.checked) = (norm, norm, norm, norm);
        (self.milestone, self.idle) = (norm, 0);
        self.state = if norm <= self.tolerance {
            State::Converged
        } else {
            State::Active
        };
    }

    /// Takes note of an iteration, after which the recursive residual has the norm `norm`.
    pub(super) fn advance(&mut self, norm: f64) {
        (self.norm, self.idle) = (norm, self.idle + 1);
        if norm <= 0.5 * self.milestone {
            (self.milestone, self.idle) = (norm, 0);
        }
    }

    /// Whether it is time for a check, at the latest when the residual has been reduced to `gain` times that of the
    /// last one, or, in working precision, has not been halved for long.
    pub(super) fn is_due(&self, gain: f64, precision: Precision) -> bool {
        let stalled = precision == Precision::Working && self.idle >= PATIENCE;
        stalled || self.norm <= self.target || self.norm <= gain * self.checked
    }

    /// Draws the conclusions from a check: `norm` is the norm of the true residual, `drift` that of its difference from
    /// the recursive one; `broken` says that the recursion cannot go on. The recursion is to continue from the true
    /// residual if [`System::restart`] is set afterwards. Returns whether this speaks against the precision used.
    pub(super) fn conclude(
        &mut self,
        norm: f64,
        drift: f64,
        broken: bool,
        precision: Precision,
    ) -> bool {
        let progress = norm <= 0.5 * self.proven_norm;
        let honest = !broken && norm <= 2.0 * self.norm;
        let stalled = self.idle >= PATIENCE;
        self.proven_norm = norm.min(self.proven_norm);
        self.checked = norm;
        if norm <= self.tolerance {
            (self.state, self.norm) = (State::Converged, norm);
            return false;
        }
        if self.norm <= self.target {
            self.target = 0.5 * self.tolerance;
        }
        if broken || drift > 0.25 * self.tolerance {
            (self.restart, self.norm, self.best_norm) = (true, norm, norm);
        }
        (self.milestone, self.idle) = (self.norm, 0);
        if precision == Precision::Working {
            return broken || !progress && (!honest || stalled);
        }
        if progress {
            self.strikes = 0;
        } else if !honest {
            self.strikes += 1;
        }
        if self.strikes >= STRIKES {
            (self.state, self.norm) = (State::Failed, self.proven_norm);
        }
        false
    }
}

/// What has become of one system, in its own units.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The iterate.
    pub(super) values: Vec<f64>,
    /// The norm of its true residual.
    pub(super) norm: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}
