//! What is spread over the lanes of a vector: rows, or, where there are few of them, columns.

use crate::kernel::{Features, Fetch, Lanes, Splat};
use crate::lanes::vectors;
use crate::simd::Simd;

/// What is spread over the lanes of a vector.
pub(super) trait Spread<S: Simd> {
    /// A feature of a column.
    type Value: Copy;
    /// Where a pair reads those of a column.
    type Column<'a, F: Features<Self::Value> + 'a>: Fetch<S>;

    /// The features of columns in a tile.
    fn values(features: &[S::T]) -> &[Self::Value];
    /// Those of a column, for a pair.
    fn column<F: Features<Self::Value>>(features: &F) -> Self::Column<'_, F>;
}

/// Rows: a column is a point, which is broadcast to all lanes.
pub(super) struct OverRows;

/// Columns: a column is a vector of points, and a row has the same point in all lanes.
pub(super) struct OverColumns;

impl<S: Simd> Spread<S> for OverRows {
    type Value = S::T;
    type Column<'a, F: Features<S::T> + 'a> = Splat<'a, F>;

    #[inline(always)]
    fn values(features: &[S::T]) -> &[S::T] {
        features
    }
    #[inline(always)]
    fn column<F: Features<S::T>>(features: &F) -> Splat<'_, F> {
        Splat(features)
    }
}

impl<S: Simd> Spread<S> for OverColumns {
    type Value = S::V;
    type Column<'a, F: Features<S::V> + 'a> = Lanes<'a, F>;

    #[inline(always)]
    fn values(features: &[S::T]) -> &[S::V] {
        vectors::<S>(features)
    }
    #[inline(always)]
    fn column<F: Features<S::V>>(features: &F) -> Lanes<'_, F> {
        Lanes(features)
    }
}
