//! What is done with the values of a formula over all j (or all i).

use std::fmt;

/// A reduction. The names are KeOps', without underscores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// sum of F
    #[default]
    Sum,
    /// log of the sum of exp(F), or of exp(F) times the weights
    LogSumExp,
    /// sum of exp(F) times the weights, over the sum of exp(F)
    SumSoftMaxWeight,
    /// the smallest value
    Min,
    /// the greatest value
    Max,
    /// the index of the smallest value
    ArgMin,
    /// the index of the greatest value
    ArgMax,
    /// the smallest value and its index
    MinArgMin,
    /// the greatest value and its index
    MaxArgMax,
    /// the K smallest values
    KMin(usize),
    /// the indices of the K smallest values
    ArgKMin(usize),
    /// the K smallest values and their indices
    KMinArgKMin(usize),
}

impl Reduction {
    /// Every reduction, those of K values with K = 1.
    pub const ALL: [Self; 12] = [
        Self::Sum,
        Self::LogSumExp,
        Self::SumSoftMaxWeight,
        Self::Min,
        Self::Max,
        Self::ArgMin,
        Self::ArgMax,
        Self::MinArgMin,
        Self::MaxArgMax,
        Self::KMin(1),
        Self::ArgKMin(1),
        Self::KMinArgKMin(1),
    ];

    /// The name, without K.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "Sum",
            Self::LogSumExp => "LogSumExp",
            Self::SumSoftMaxWeight => "SumSoftMaxWeight",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::ArgMin => "ArgMin",
            Self::ArgMax => "ArgMax",
            Self::MinArgMin => "MinArgMin",
            Self::MaxArgMax => "MaxArgMax",
            Self::KMin(_) => "KMin",
            Self::ArgKMin(_) => "ArgKMin",
            Self::KMinArgKMin(_) => "KMinArgKMin",
        }
    }

    /// The number K of values for each row, for the reductions that have one.
    pub const fn count(self) -> Option<usize> {
        match self {
            Self::KMin(k) | Self::ArgKMin(k) | Self::KMinArgKMin(k) => Some(k),
            Self::Sum
            | Self::LogSumExp
            | Self::SumSoftMaxWeight
            | Self::Min
            | Self::Max
            | Self::ArgMin
            | Self::ArgMax
            | Self::MinArgMin
            | Self::MaxArgMax => None,
        }
    }

    /// Whether its values are those of the formula at certain pairs.
    pub const fn selects(self) -> bool {
        match self {
            Self::Min
            | Self::Max
            | Self::MinArgMin
            | Self::MaxArgMax
            | Self::KMin(_)
            | Self::KMinArgKMin(_) => true,
            Self::Sum
            | Self::LogSumExp
            | Self::SumSoftMaxWeight
            | Self::ArgMin
            | Self::ArgMax
            | Self::ArgKMin(_) => false,
        }
    }

    /// The reduction that gives the values too, for one that gives indices alone, which have no gradient.
    pub const fn with_values(self) -> Option<Self> {
        match self {
            Self::ArgMin => Some(Self::MinArgMin),
            Self::ArgMax => Some(Self::MaxArgMax),
            Self::ArgKMin(k) => Some(Self::KMinArgKMin(k)),
            _ => None,
        }
    }

    /// The same reduction for K values; one that has no K is left as it is.
    #[must_use]
    pub const fn with_count(self, k: usize) -> Self {
        match self {
            Self::KMin(_) => Self::KMin(k),
            Self::ArgKMin(_) => Self::ArgKMin(k),
            Self::KMinArgKMin(_) => Self::KMinArgKMin(k),
            other => other,
        }
    }
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            Some(k) => write!(f, "{}({k})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}
