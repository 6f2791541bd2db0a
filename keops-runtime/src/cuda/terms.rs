//! What is computed with vectors, entry by entry.

/// How the entries of a block are updated from those of another of the same shape, with a number `c` for each column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `own + c other`
    Add,
    /// `own - c other`
    Subtract,
    /// `own + c (other - own)`
    Blend,
    /// `other + c own`
    Turn,
    /// `c other`
    Scale,
    /// `other / c`
    Divide,
    /// `|other|`
    Magnitude,
    /// 0, whatever the entries are.
    Zero,
}

/// The terms of sums over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// `a b`, for every pair of a column of each.
    Pairs,
    /// `a b`, for columns of the same number, as in those that follow.
    Same,
    /// `(a - b)^2`
    Difference,
    /// `a (a - b)`, and `(a - b)^2` in a second row.
    Toward,
}
