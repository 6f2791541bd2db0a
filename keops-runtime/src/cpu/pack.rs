//! Packing: from arrays of any element type and strides to the features of tiles.

use super::pairing::Pairing;
use crate::input::{Element, Input};
use crate::kernel::Features;
use crate::lanes::{scalars, scalars_mut, single_lanes_mut};
use crate::simd::{Real, Simd};
use ndarray::{Array2, ArrayView2};

/// The arrays of one side of the pairs, in the order of their variables.
#[derive(Clone, Debug)]
pub(crate) struct Points<'a> {
    /// Each with the number of components that the kernel reads; beyond the columns of the array these are 0.
    arrays: Vec<(Input<'a>, usize)>,
    /// Number of points.
    count: usize,
    /// Number of components of all arrays together.
    components: usize,
}

impl<'a> Points<'a> {
    /// A side with `count` points and no arrays yet.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            arrays: Vec::new(),
            count,
            components: 0,
        }
    }

    /// Appends an array of so many rows and at most `components` columns.
    pub(crate) fn push(&mut self, array: Input<'a>, components: usize) {
        debug_assert!(array.rows() == self.count && array.columns() <= components);
        self.arrays.push((array, components));
        self.components += components;
    }

    /// The same arrays, for a shorter time.
    pub(crate) fn reborrow(&self) -> Points<'_> {
        let arrays = self
            .arrays
            .iter()
            .map(|(array, components)| (array.view(), *components))
            .collect();
        Points { arrays, ..*self }
    }

    /// Number of points.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Number of raw components of a point.
    pub(crate) fn components(&self) -> usize {
        self.components
    }

    /// Some of the points, below [`Points::count`], in double precision.
    pub(crate) fn select(&self, chosen: &[usize]) -> Selection {
        let arrays = self
            .arrays
            .iter()
            .map(|(array, components)| (array.select(chosen), *components))
            .collect();
        let count = chosen.len();
        Selection { arrays, count }
    }

    /// The raw components of `LANES` points from `first` on, by component, then by lane. Lanes beyond the last point
    /// repeat it.
    #[inline(always)]
    fn gather<S: Simd>(&self, first: usize, raw: &mut [S::V]) {
        let raw = scalars_mut::<S>(raw);
        let valid = S::LANES.min(self.count - first);
        let mut from = 0;
        for (array, components) in &self.arrays {
            let to = from + components * S::LANES;
            match array {
                Input::F32(array) => copy(array, first, valid, S::LANES, &mut raw[from..to]),
                Input::F64(array) => copy(array, first, valid, S::LANES, &mut raw[from..to]),
            }
            from = to;
        }
    }
}

/// Points that were taken out of others.
pub(crate) struct Selection {
    arrays: Vec<(Array2<f64>, usize)>,
    count: usize,
}

impl Selection {
    /// The points, as one side of pairs.
    pub(crate) fn points(&self) -> Points<'_> {
        let mut points = Points::new(self.count);
        for (array, components) in &self.arrays {
            points.push(Input::F64(array.view()), *components);
        }
        points
    }
}

/// Copies points `first..first + valid` to `raw`, by component, then by lane.
#[inline(always)]
fn copy<U: Element, T: Real>(
    array: &ArrayView2<'_, U>,
    first: usize,
    valid: usize,
    lanes: usize,
    raw: &mut [T],
) {
    let columns = array.ncols();
    if let Some(values) = array.as_slice() {
        let values = &values[first * columns..(first + valid) * columns];
        for c in 0..columns {
            for l in 0..valid {
                raw[c * lanes + l] = T::from_f64(values[l * columns + c].to_f64());
            }
        }
    } else {
        for c in 0..columns {
            for l in 0..valid {
                raw[c * lanes + l] = T::from_f64(array[(first + l, c)].to_f64());
            }
        }
    }
    for c in 0..columns {
        let last = raw[c * lanes + valid - 1];
        for l in valid..lanes {
            raw[c * lanes + l] = last;
        }
    }
    for value in &mut raw[columns * lanes..] {
        *value = T::ZERO;
    }
}

/// Computes the features of `vectors` vectors of rows from row `first` on, by vector, then by feature.
#[inline(always)]
pub(crate) fn pack_rows<P: Pairing, S: Simd>(
    s: S,
    params: &P::Params<S::T>,
    points: &Points<'_>,
    first: usize,
    raw: &mut [S::V],
    features: &mut [S::V],
) {
    let length = P::Row::<S::V>::LEN;
    if length == 0 {
        return;
    }
    for (v, features) in features.chunks_exact_mut(length).enumerate() {
        points.gather::<S>(first + v * S::LANES, raw);
        P::hoist_rows(s, params, raw, features);
    }
}

/// Columns with more features than this are packed one by one: reading them in order is worth more than lanes.
const WIDE: usize = 32;

/// Number of vectors of scratch that [`pack_columns`] needs for points of `components` raw components.
#[inline(always)]
pub(crate) fn scratch_for_columns<P: Pairing, S: Simd>(components: usize) -> usize {
    components + P::Column::<S::V>::LEN
}

/// Computes the features of columns `first..first + count`, by column, then by feature.
#[inline(always)]
pub(crate) fn pack_columns<P: Pairing, S: Simd>(
    s: S,
    params: &P::Params<S::T>,
    points: &Points<'_>,
    first: usize,
    count: usize,
    scratch: &mut [S::V],
    columns: &mut [S::T],
) {
    let length = P::Column::<S::V>::LEN;
    if length == 0 {
        return;
    }
    if const { P::Column::<S::V>::LEN > WIDE } {
        // SAFETY: vectors of one lane need no instruction set.
        let single = unsafe { <S::T as Real>::Scalar::assume_available() };
        let raw = &mut scalars_mut::<S>(scratch)[..points.components];
        let raw = single_lanes_mut::<<S::T as Real>::Scalar>(raw);
        for (c, features) in columns.chunks_exact_mut(length).take(count).enumerate() {
            points.gather::<<S::T as Real>::Scalar>(first + c, raw);
            P::hoist_columns(
                single,
                params,
                raw,
                single_lanes_mut::<<S::T as Real>::Scalar>(features),
            );
        }
        return;
    }
    let (raw, features) = scratch.split_at_mut(points.components);
    let mut done = 0;
    while done < count {
        points.gather::<S>(first + done, raw);
        P::hoist_columns(s, params, raw, features);
        let features = scalars::<S>(features);
        for l in 0..S::LANES.min(count - done) {
            let column = &mut columns[(done + l) * length..][..length];
            for k in 0..length {
                column[k] = features[k * S::LANES + l];
            }
        }
        done += S::LANES;
    }
}
