//! Values with the columns that they come from.

use super::Sink;
use crate::cpu::Rows;
use crate::input::Element;
use core::cmp::Ordering;
use ndarray::{ArrayViewMut3, Axis};

/// A value of a component and its column. Values of all element types are exact in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The value, not NaN.
    pub(crate) value: f64,
    /// The column.
    pub(crate) index: usize,
}

impl Candidate {
    /// What the smallest of no values is, and what fills up the k smallest of fewer.
    pub(super) const NONE: Self = Self {
        value: f64::INFINITY,
        index: 0,
    };

    /// Whether it comes before another one, by value, then by column.
    #[inline(always)]
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.value < other.value || (self.value == other.value && self.index < other.index)
    }

    /// By value, then by column.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let by_value = self.value.partial_cmp(&other.value);
        by_value
            .unwrap_or(Ordering::Equal)
            .then(self.index.cmp(&other.index))
    }
}

/// Arrays of shape `(rows, k, components)` for values and columns. The totals of a row are as many candidates for each
/// component, of which the first `k` are taken; missing ones are [`Candidate::NONE`].
pub(crate) struct CandidateSink<'a, T> {
    /// The values, rounded to the element type.
    pub(crate) values: ArrayViewMut3<'a, T>,
    /// The columns.
    pub(crate) indices: ArrayViewMut3<'a, usize>,
}

impl<T: Element> Rows for CandidateSink<'_, T> {
    fn split_at(self, row: usize) -> (Self, Self) {
        let (values_before, values) = self.values.split_at(Axis(0), row);
        let (indices_before, indices) = self.indices.split_at(Axis(0), row);
        let before = Self {
            values: values_before,
            indices: indices_before,
        };
        (before, Self { values, indices })
    }
}

impl<T: Element> Sink<Candidate> for CandidateSink<'_, T> {
    fn take(mut self, slots: usize, totals: &[Candidate]) {
        let block = slots / self.values.len_of(Axis(2)).max(1);
        let values = self.values.outer_iter_mut();
        let indices = self.indices.outer_iter_mut();
        for ((mut values, mut indices), row) in values.zip(indices).zip(totals.chunks_exact(slots))
        {
            for (component, candidates) in row.chunks_exact(block).enumerate() {
                let values = values.column_mut(component);
                let indices = indices.column_mut(component);
                for (n, (value, index)) in values.into_iter().zip(indices).enumerate() {
                    let candidate = candidates.get(n).unwrap_or(&Candidate::NONE);
                    *value = T::from_f64(candidate.value);
                    *index = candidate.index;
                }
            }
        }
    }
}
