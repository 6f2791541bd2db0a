//! The points of both sides of the pairs: what is computed of each by itself.

use super::entry::{copy, hoist, hoist_single};
use super::pairing::{Hoisting, Pairing};
use super::products::ScalarProducts;
use super::tile::Columns;
use crate::kernel::Features;
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};

/// Columns with more features than this are packed one by one: reading them in order is worth more than lanes.
const WIDE: usize = 32;

/// How the features of points lie in memory. Lengths are in vectors, or in elements for a single point.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Rows of a vector.
    pub(super) lanes: usize,
    /// Columns that are hoisted together.
    pub(super) column_lanes: usize,
    /// Features of a row.
    pub(super) row: usize,
    /// Features of a column.
    pub(super) column: usize,
}

/// Computes features from raw coordinates, both by feature, then by lane. The second argument are the features of the parameters.
type Hoist<T> = fn(InstructionSet, &[T], &[T], &mut [T]);

/// The sides of the pairs of a formula.
#[derive(Clone, Copy)]
pub(super) struct SidesCode<T> {
    params: fn(&[f64]) -> Vec<f64>,
    /// Features of a row and of a column.
    pub(super) features: [usize; 2],
    /// How many of these, the last ones, are weights.
    weights: [usize; 2],
    hoist: [Hoist<T>; 2],
}

impl<T: Real> SidesCode<T> {
    /// The same with columns one by one, as they are in many dimensions.
    pub(super) const fn one_by_one<P: Pairing>() -> Self {
        let mut code = Self::of::<P>();
        code.hoist[1] = hoist_single::<P::Hoisting, T>;
        code
    }

    pub(super) const fn of<P: Pairing>() -> Self {
        Self {
            params: P::Hoisting::params,
            features: [P::Row::<T>::LEN, P::Column::<T>::LEN],
            weights: [P::ROW_WEIGHTS, P::WEIGHTS],
            hoist: [
                if P::Hoisting::COPIED[0] {
                    copy::<T>
                } else {
                    hoist::<P::Hoisting, T, true>
                },
                if P::Hoisting::COPIED[1] {
                    copy::<T>
                } else if P::Column::<T>::LEN > WIDE {
                    hoist_single::<P::Hoisting, T>
                } else {
                    hoist::<P::Hoisting, T, false>
                },
            ],
        }
    }
}

/// The sides of the pairs of a formula, with the parameters of a problem.
pub(super) struct Sides<T: 'static> {
    pub(super) isa: InstructionSet,
    code: SidesCode<T>,
    pub(super) params: Vec<T>,
    /// What computes the features that come before, of an expanded formula: the components of points relative to a centre.
    point: Option<(SidesCode<T>, Vec<T>)>,
}

impl<T: Real> Sides<T> {
    pub(super) fn new(isa: InstructionSet, code: SidesCode<T>, params: &[f64]) -> Self {
        Self {
            isa,
            code,
            params: T::held(&(code.params)(params)),
            point: None,
        }
    }

    /// The same with the features of `point` before.
    pub(super) fn with_point(mut self, point: Option<SidesCode<T>>, params: &[f64]) -> Self {
        self.point = point.map(|code| (code, T::held(&(code.params)(params))));
        self
    }

    /// Components of a point of an expanded formula.
    pub(super) fn dimensions(&self) -> usize {
        self.point.as_ref().map_or(0, |(code, _)| code.features[0])
    }

    /// The lengths.
    pub(super) fn layout(&self) -> Layout {
        let lanes = lanes::<T>(self.isa);
        let [row, column] = self.lengths();
        Layout {
            lanes,
            column_lanes: if column > WIDE { 1 } else { lanes },
            row,
            column,
        }
    }

    /// Features of a row and of a column.
    fn lengths(&self) -> [usize; 2] {
        self.code.features.map(|length| self.dimensions() + length)
    }

    /// Computes the features of a vector of rows, by feature, then by lane, from their raw coordinates in the same order.
    pub(super) fn hoist_rows(&self, raw: &[T], features: &mut [T]) {
        self.hoist(0, raw, features);
    }

    /// The same for columns, [`Layout::column_lanes`] of them.
    pub(super) fn hoist_columns(&self, raw: &[T], features: &mut [T]) {
        self.hoist(1, raw, features);
    }

    /// Writes the scalar products of the points of some vectors of rows and of some columns, by vector, then by column, then by lane.
    pub(super) fn multiply(&self, rows: &[T], columns: &Columns<'_, T>, products: &mut [T]) {
        if self.dimensions() > 0 {
            let [row, column] = self.lengths();
            let products = ScalarProducts {
                rows,
                row,
                columns: columns.features,
                column,
                dimensions: self.dimensions(),
                count: columns.count,
                products,
            };
            T::scalar_products(self.isa, products);
        }
    }

    /// Weights are features as they are.
    fn hoist(&self, side: usize, raw: &[T], features: &mut [T]) {
        let mut features = features;
        if let Some((code, params)) = &self.point {
            let of_point = features.len() / self.lengths()[side] * self.dimensions();
            let (point, others) = features.split_at_mut(of_point);
            code.hoist[side](self.isa, params, raw, point);
            features = others;
        }
        let SidesCode { hoist, weights, .. } = self.code;
        let weights = features.len() / self.code.features[side].max(1) * weights[side];
        let (raw, weights_in) = raw.split_at(raw.len() - weights);
        let (features, weights_out) = features.split_at_mut(features.len() - weights);
        weights_out.copy_from_slice(weights_in);
        hoist[side](self.isa, &self.params, raw, features);
    }
}

/// The number of rows of a vector.
pub(super) fn lanes<T: Real>(isa: InstructionSet) -> usize {
    dispatch::<T, _>(isa, CountLanes)
}

struct CountLanes;

impl<T: Real> WithSimd<T> for CountLanes {
    type Output = usize;

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, _: S) -> usize {
        S::LANES
    }
}
