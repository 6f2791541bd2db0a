//! One linear system of a block, and what the comparison of its two residuals means for it.

use super::multivector::Multivector;
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

/// How far an iterate is from the solution.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distance {
    /// The norm of the residual.
    pub(super) residual: f64,
    /// A bound of the error in the norm of the matrix.
    pub(super) error: f64,
}

impl Distance {
    /// What the norm of a residual alone says: `|e|_A = |r|_(A^-1) <= |r| / sqrt(alpha)`.
    pub(super) fn plain(residual: f64, alpha: f64) -> Self {
        let error = if residual == 0.0 {
            0.0
        } else {
            residual / alpha.sqrt()
        };
        Self { residual, error }
    }

    /// The same with another bound of the error, if that is smaller. One that is not positive has underflowed, or is lost in rounding errors.
    pub(super) fn or(self, error: f64) -> Self {
        let smaller = error > 0.0 && error < self.error;
        Self {
            error: if smaller { error } else { self.error },
            ..self
        }
    }
}

/// What a tolerance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    Residual,
    Error,
}

/// The part of the tolerance below which a drift is not looked at before the end.
const NEGLIGIBLE: f64 = 0.1;

/// One linear system, in units in which its right-hand side is of size 1.
#[derive(Debug)]
pub(super) struct System {
    /// Its place among the systems of the solve.
    pub(super) index: usize,
    /// What a number in these units is multiplied with to give the user's.
    pub(super) unit: f64,
    pub(super) criterion: Criterion,
    /// The largest distance that is good enough.
    pub(super) tolerance: f64,
    pub(super) state: State,
    /// What the recursion says of the present iterate.
    pub(super) now: Distance,
    /// The smallest true distance so far.
    pub(super) proven: Distance,
    /// Whether that is a true one indeed, and not what the recursion says where the operator could not be asked.
    pub(super) verified: bool,
    /// Whether the recursion is to start afresh.
    pub(super) restart: bool,
    /// The distance according to the recursion at which the true one is looked at: `tolerance`, or half of it after a
    /// disappointment.
    target: f64,
    /// The true distance at the last check.
    checked: f64,
    /// The distance according to the recursion when it was last halved, or checked.
    milestone: f64,
    /// The number of iterations since then.
    idle: usize,
    /// The number of checks without progress since the last with progress.
    strikes: usize,
}

impl System {
    /// A system that has not begun, but for the distance of the zero vector.
    pub(super) fn new(
        index: usize,
        unit: f64,
        criterion: Criterion,
        tolerance: f64,
        distance: Distance,
    ) -> Self {
        let mut system = Self {
            index,
            unit,
            criterion,
            tolerance,
            state: State::Active,
            now: distance,
            proven: distance,
            verified: true,
            restart: false,
            target: tolerance,
            checked: f64::INFINITY,
            milestone: f64::INFINITY,
            idle: 0,
            strikes: 0,
        };
        system.begin(distance);
        system
    }

    /// The part of a distance that the tolerance is for.
    fn measure(&self, distance: Distance) -> f64 {
        match self.criterion {
            Criterion::Residual => distance.residual,
            Criterion::Error => distance.error,
        }
    }

    /// The factor by which the distance is to be reduced.
    pub(super) fn reduction(&self) -> f64 {
        self.measure(self.now) / self.tolerance
    }

    /// Begins with an iterate at a true distance.
    pub(super) fn begin(&mut self, distance: Distance) {
        self.proven = distance;
        self.resume(distance);
        self.state = if self.measure(distance) <= self.tolerance {
            State::Converged
        } else {
            State::Active
        };
    }

    /// Goes on from an iterate at a true distance.
    pub(super) fn resume(&mut self, distance: Distance) {
        let measure = self.measure(distance);
        if measure < self.measure(self.proven) {
            self.proven = distance;
        }
        (self.now, self.checked) = (distance, measure);
        (self.milestone, self.idle) = (measure, 0);
    }

    /// Takes note of an iteration, after which the recursion tells of a distance.
    pub(super) fn advance(&mut self, distance: Distance) {
        let measure = self.measure(distance);
        (self.now, self.idle) = (distance, self.idle + 1);
        if measure <= 0.5 * self.milestone {
            (self.milestone, self.idle) = (measure, 0);
        }
    }

    /// Whether the distance according to the recursion has not been halved for long.
    pub(super) fn is_idle(&self) -> bool {
        self.idle >= PATIENCE
    }

    /// Whether it is time for a check: when the recursion believes to be done, when in working precision the distance has not been halved
    /// for long, or when it has been reduced to `gain` times that of the last check and the `drift` to be expected until the end matters.
    pub(super) fn is_due(
        &self,
        gain: f64,
        precision: Precision,
        drift: impl FnOnce() -> Distance,
    ) -> bool {
        let stalled = precision == Precision::Working && self.is_idle();
        let measure = self.measure(self.now);
        stalled
            || measure <= self.target
            || measure <= gain * self.checked && self.measure(drift()) > NEGLIGIBLE * self.tolerance
    }

    /// Whether a true distance is the smallest so far.
    pub(super) fn improves(&self, distance: Distance) -> bool {
        self.measure(distance) < self.measure(self.proven)
    }

    /// Draws the conclusions from a check: `truth` is the true distance, `drift` that between the true residual and the
    /// recursive one; `broken` says that the recursion cannot go on. The recursion is to continue from the true
    /// residual if [`System::restart`] is set afterwards. Returns whether this speaks against the precision used.
    pub(super) fn conclude(
        &mut self,
        truth: Distance,
        drift: Distance,
        broken: bool,
        precision: Precision,
    ) -> bool {
        let (measure, recursive) = (self.measure(truth), self.measure(self.now));
        let progress = measure <= 0.5 * self.measure(self.proven);
        let honest = !broken && measure <= 2.0 * recursive;
        let stalled = self.is_idle();
        if self.improves(truth) {
            self.proven = truth;
        }
        self.checked = measure;
        if measure <= self.tolerance {
            (self.state, self.now) = (State::Converged, truth);
            return false;
        }
        if recursive <= self.target {
            self.target = 0.5 * self.tolerance;
        }
        self.restart = broken || self.measure(drift) > 0.25 * self.tolerance;
        (self.milestone, self.idle) = (recursive, 0);
        if precision == Precision::Working {
            return broken || !progress && (!honest || stalled);
        }
        if progress {
            self.strikes = 0;
        } else if !honest {
            self.strikes += 1;
        }
        if self.strikes >= STRIKES {
            self.fail();
        }
        false
    }

    /// Ends the system with what is proven.
    pub(super) fn fail(&mut self) {
        let met = self.measure(self.proven) <= self.tolerance;
        self.now = self.proven;
        self.state = if met { State::Converged } else { State::Failed };
    }
}

/// What has become of one system, in its own units.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The iterate.
    pub(super) values: Multivector,
    /// Its true distance from the solution.
    pub(super) distance: Distance,
    /// Its true residual.
    pub(super) residual: Multivector,
    pub(super) iterations: usize,
    pub(super) converged: bool,
    /// Whether the distance and the residual are true ones.
    pub(super) verified: bool,
}
