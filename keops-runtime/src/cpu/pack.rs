//! Packing: from arrays of any element type and strides to the features of tiles.

use super::gather::{copy, copy_rows};
use super::sides::{Layout, Sides};
use super::tile::Columns;
use crate::Error;
#[cfg(feature = "cuda")]
use crate::cuda::Resident;
use crate::cuda::Uploads;
use crate::input::{Input, Selected, each};
use crate::lanes::Aligned;
#[cfg(feature = "cuda")]
use crate::memory::repeated;
use crate::simd::Real;
use core::ops::Range;
#[cfg(feature = "cuda")]
use rayon::prelude::*;
use std::sync::Arc;

/// The arrays of one side of the pairs, in the order of their variables.
#[derive(Clone, Debug)]
pub(crate) struct Points<'a> {
    /// Each with the number of components that the kernel reads; beyond the columns of the array these are 0.
    arrays: Vec<(Input<'a>, usize)>,
    /// Number of points.
    count: usize,
    /// Number of components of all arrays together.
    components: usize,
    /// Copies on devices of so many first arrays, where these are needed more than once.
    kept: Option<(usize, Arc<Uploads>)>,
}

/// Points whose components are copied by one thread.
#[cfg(feature = "cuda")]
const COPIED: usize = 1 << 14;

impl<'a> Points<'a> {
    /// A side with `count` points and no arrays yet.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            arrays: Vec::new(),
            count,
            components: 0,
            kept: None,
        }
    }

    /// Keeps copies of the arrays so far on the devices that they are copied to, for other reductions of these points.
    pub(crate) fn keep_on_devices(&mut self) {
        self.kept = Some((self.arrays.len(), Arc::default()));
    }

    /// The copies that are kept of these very arrays.
    #[cfg(feature = "cuda")]
    pub(crate) fn uploads(&self) -> Option<&Uploads> {
        let (arrays, uploads) = self.kept.as_ref()?;
        (*arrays == self.arrays.len()).then_some(uploads)
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
        Points {
            arrays,
            kept: self.kept.clone(),
            ..*self
        }
    }

    /// The arrays, each with the number of components that the kernel reads.
    #[cfg(feature = "cuda")]
    pub(crate) fn arrays(&self) -> &[(Input<'a>, usize)] {
        &self.arrays
    }

    /// The arrays that are on a device.
    #[cfg(feature = "cuda")]
    pub(crate) fn residents(&self) -> impl Iterator<Item = Resident<'a>> {
        self.arrays.iter().filter_map(|(array, _)| match array {
            Input::Device(resident) => Some(*resident),
            _ => None,
        })
    }

    /// All raw components, by point.
    ///
    /// # Errors
    /// [`Error::Shape`] if they do not fit into memory.
    #[cfg(feature = "cuda")]
    pub(crate) fn by_point<C: Real>(&self) -> Result<Vec<C>, Error> {
        let mut values = repeated(self.count.saturating_mul(self.components), C::ZERO)?;
        if self.components == 0 {
            return Ok(values);
        }
        values
            .par_chunks_mut(COPIED * self.components)
            .enumerate()
            .for_each(|(n, values)| self.gather_by_point(n * COPIED, values));
        Ok(values)
    }

    /// Where all arrays are: points that live at the same time are the same if these are.
    #[cfg(feature = "cuda")]
    pub(crate) fn places(&self) -> Vec<[usize; 4]> {
        let arrays = self.arrays.iter();
        arrays
            .map(|(array, components)| {
                each!(array, array => {
                    let strides = array.strides();
                    [array.as_ptr() as usize, strides[0] as usize, strides[1] as usize, *components]
                }, resident => resident.place(*components))
            })
            .collect()
    }

    /// All arrays, or all but the last one and that one.
    #[cfg(feature = "cuda")]
    pub(crate) fn split_last(&self, apart: bool) -> (Points<'_>, Points<'_>) {
        let at = self.arrays.len() - usize::from(apart);
        let [mut before, mut last] = [Points::new(self.count), Points::new(self.count)];
        for (n, (array, components)) in self.arrays.iter().enumerate() {
            let side = if n < at { &mut before } else { &mut last };
            side.push(array.view(), *components);
        }
        before.kept = self.kept.clone();
        (before, last)
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
    ///
    /// # Errors
    /// Those of the device that an array is on.
    pub(crate) fn select(&self, chosen: &[usize]) -> Result<Selection, Error> {
        let arrays = self.arrays.iter();
        let arrays = arrays.map(|(array, components)| Ok((array.select(chosen)?, *components)));
        Ok(Selection {
            arrays: arrays.collect::<Result<_, Error>>()?,
            count: chosen.len(),
        })
    }

    /// Whether an array is on a device.
    pub(crate) fn is_resident(&self) -> bool {
        let is_resident = |(array, _): &(Input<'_>, usize)| matches!(array, Input::Device(_));
        self.arrays.iter().any(is_resident)
    }

    /// The features of rows.
    pub(super) fn pack_rows<T: Real>(
        &self,
        sides: &Sides<T>,
        rows: Range<usize>,
    ) -> PackedVectors<T> {
        let lanes = sides.layout().lanes;
        let vectors = rows.len().div_ceil(lanes);
        let mut packed = PackedVectors::zeros(sides, 0, vectors);
        self.pack_vectors(sides, rows.start, lanes, vectors, &mut packed);
        packed
    }

    /// The features of vectors of points from `first` on, of `together` points each; lanes beyond these repeat the last one.
    pub(super) fn pack_vectors<T: Real>(
        &self,
        sides: &Sides<T>,
        first: usize,
        together: usize,
        vectors: usize,
        packed: &mut PackedVectors<T>,
    ) {
        let (lanes, [point, other]) = (sides.layout().lanes, packed.lengths);
        if point + other == 0 {
            return;
        }
        let mut raw = Aligned::zeros(self.components * lanes);
        for v in 0..vectors {
            self.gather_some(first + v * together, together, lanes, &mut raw);
            let points = &mut packed.points[v * point..][..point];
            let features = &mut packed.features[v * other..][..other];
            sides.hoist(packed.side, lanes, &raw, points, features);
        }
    }

    /// What packs the features of columns, at most so many together.
    pub(super) fn pack_columns<'b, T: Real>(
        &'b self,
        sides: &'b Sides<T>,
        most: usize,
    ) -> ColumnPacker<'b, 'a, T> {
        let Layout {
            column_lanes: lanes,
            column,
            point,
            ..
        } = sides.layout();
        let (gathered, together) = if lanes > 1 { (lanes, lanes) } else { (most, 0) };
        ColumnPacker {
            points: self,
            sides,
            lanes,
            lengths: [point, column],
            raw: Aligned::zeros(self.components * gathered),
            hoisted: [point, column].map(|length| Aligned::zeros(length * together)),
            packed: [point, column].map(|length| Aligned::zeros(length * most)),
        }
    }

    /// The raw components of points from `first` on, by point, then by component, into zeros or what was gathered so before.
    fn gather_by_point<T: Real>(&self, first: usize, raw: &mut [T]) {
        let mut from = 0;
        for (array, components) in &self.arrays {
            // What is on a device is not copied by the host.
            each!(array, array => copy_rows(array, first, self.components, &mut raw[from..]), _ => {});
            from += components;
        }
    }

    /// The raw components of `lanes` points from `first` on, by component, then by lane. Lanes beyond the last point
    /// repeat it.
    pub(super) fn gather<T: Real>(&self, first: usize, lanes: usize, raw: &mut [T]) {
        self.gather_some(first, lanes, lanes, raw);
    }

    /// The same with at most `most` points, of which the last one is repeated.
    fn gather_some<T: Real>(&self, first: usize, most: usize, lanes: usize, raw: &mut [T]) {
        let valid = most.min(self.count - first);
        let mut from = 0;
        for (array, components) in &self.arrays {
            let to = from + components * lanes;
            // Reductions of arrays on devices do not run on processors.
            each!(array, array => copy(array, first, valid, lanes, &mut raw[from..to]), _ => debug_assert!(false));
            from = to;
        }
    }
}

/// The features of some vectors of points, and of the points that distances are computed from: by vector, then by feature, then by lane.
pub(super) struct PackedVectors<T> {
    side: usize,
    points: Aligned<T>,
    pub(super) features: Aligned<T>,
    /// Elements of a vector, of points and of other features.
    lengths: [usize; 2],
}

/// Those of some of the vectors.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a, T> {
    pub(super) points: &'a [T],
    pub(super) features: &'a [T],
}

impl<T: Real> PackedVectors<T> {
    /// Room for vectors of rows, side 0, or of columns, side 1.
    pub(super) fn zeros(sides: &Sides<T>, side: usize, vectors: usize) -> Self {
        let Layout {
            lanes,
            row,
            column,
            point,
            ..
        } = sides.layout();
        let lengths = [point, [row, column][side]].map(|length| length * lanes);
        let [points, features] = lengths.map(|length| Aligned::zeros(vectors * length));
        Self {
            side,
            points,
            features,
            lengths,
        }
    }

    /// Some of the vectors.
    pub(super) fn vectors(&self, vectors: Range<usize>) -> Packed<'_, T> {
        let part = |length| vectors.start * length..vectors.end * length;
        let [points, features] = self.lengths.map(part);
        Packed {
            points: &self.points[points],
            features: &self.features[features],
        }
    }
}

/// Packs the features of columns, and of the points that distances are computed from, tile by tile.
pub(super) struct ColumnPacker<'b, 'a, T: 'static> {
    points: &'b Points<'a>,
    sides: &'b Sides<T>,
    /// Columns that are hoisted together.
    lanes: usize,
    /// Features of a point and of a column.
    lengths: [usize; 2],
    raw: Aligned<T>,
    hoisted: [Aligned<T>; 2],
    packed: [Aligned<T>; 2],
}

impl<T: Real> ColumnPacker<'_, '_, T> {
    /// Computes the features of columns `first..first + count`, by column, then by feature.
    pub(super) fn pack(&mut self, first: usize, count: usize) -> Columns<'_, T> {
        let Self { lanes, lengths, .. } = *self;
        let [points, features] = &mut self.packed;
        let steps = if lengths == [0; 2] { 0 } else { count };
        if lanes == 1 && steps > 0 {
            let [point, column] = lengths;
            let raw = &mut self.raw[..count * self.points.components];
            self.points.gather_by_point(first, raw);
            for (n, raw) in raw.chunks_exact(self.points.components).enumerate() {
                let point = &mut points[n * point..][..point];
                let column = &mut features[n * column..][..column];
                self.sides.hoist(1, 1, raw, point, column);
            }
            return Columns {
                first,
                count,
                points,
                features,
            };
        }
        for done in (0..steps).step_by(lanes) {
            self.points.gather(first + done, lanes, &mut self.raw);
            let [of_points, others] = &mut self.hoisted;
            self.sides.hoist(1, lanes, &self.raw, of_points, others);
            let count = lanes.min(count - done);
            let both = [(&mut *points, of_points), (&mut *features, others)];
            for ((to, from), length) in both.into_iter().zip(lengths) {
                let columns = &mut to[done * length..][..count * length];
                for (k, features) in from.chunks_exact(lanes).enumerate() {
                    let column = columns[k..].iter_mut().step_by(length);
                    for (to, &from) in column.zip(features) {
                        *to = from;
                    }
                }
            }
        }
        Columns {
            first,
            count,
            points,
            features,
        }
    }
}

/// Points that were taken out of others.
pub(crate) struct Selection {
    arrays: Vec<(Selected, usize)>,
    count: usize,
}

impl Selection {
    /// The points, as one side of pairs.
    pub(crate) fn points(&self) -> Points<'_> {
        let mut points = Points::new(self.count);
        for (array, components) in &self.arrays {
            points.push(array.view(), *components);
        }
        points
    }
}
