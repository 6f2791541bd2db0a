//! The points of both sides of the pairs: what is computed of each by itself, and their squared distances.

use super::distances::{Metric, SquaredDistances};
use super::entry::{hoist, hoist_single};
use super::pack::Packed;
use super::pairing::{DistanceNumbers, Hoisting, Pairing};
use super::squares::Squares;
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
    /// Features of the point of a row, or of a column, that distances are computed from, which are stored apart.
    pub(super) point: usize,
}

/// How features come from raw coordinates, both by feature, then by lane.
#[derive(Clone, Copy)]
enum Hoist<T> {
    /// They are the raw coordinates from this one on.
    Copy(usize),
    /// They are computed. The second argument are the features of the parameters.
    Compute(fn(InstructionSet, &[T], &[T], &mut [T])),
}

/// What computes features of rows and of columns.
#[derive(Clone, Copy)]
struct HoistCode<T> {
    params: fn(&[f64]) -> Vec<f64>,
    /// How many of a row and of a column.
    features: [usize; 2],
    hoist: [Hoist<T>; 2],
}

impl<T: Real> HoistCode<T> {
    /// The features of `P` but for weights, of columns one by one or of some together.
    const fn of<P: Pairing>(one_by_one: bool) -> Self {
        let [rows_copied, columns_copied] = P::Hoisting::COPIED;
        Self {
            params: P::Hoisting::params,
            features: [
                P::Row::<T>::LEN - P::ROW_WEIGHTS,
                P::Column::<T>::LEN - P::WEIGHTS,
            ],
            hoist: [
                match rows_copied {
                    Some(first) => Hoist::Copy(first),
                    None => Hoist::Compute(hoist::<P::Hoisting, T, true>),
                },
                match columns_copied {
                    Some(first) => Hoist::Copy(first),
                    None if one_by_one => Hoist::Compute(hoist_single::<P::Hoisting, T>),
                    None => Hoist::Compute(hoist::<P::Hoisting, T, false>),
                },
            ],
        }
    }

    /// Computes the features of so many points of a side.
    fn run(
        &self,
        isa: InstructionSet,
        side: usize,
        params: &[T],
        lanes: usize,
        raw: &[T],
        out: &mut [T],
    ) {
        match self.hoist[side] {
            Hoist::Copy(first) => out.copy_from_slice(&raw[first * lanes..][..out.len()]),
            Hoist::Compute(compute) => compute(isa, params, raw, out),
        }
    }
}

/// The sides of the pairs of a formula.
#[derive(Clone, Copy)]
pub struct SidesCode<T> {
    own: HoistCode<T>,
    /// Weights of a row and of a column, features that come after the others.
    weights: [usize; 2],
    /// Whether columns are hoisted one by one.
    one_by_one: bool,
    /// Whether a vector of them can be hoisted.
    columns_by_lane: bool,
    /// The points of a formula that is given its distance.
    points: Option<(HoistCode<T>, DistanceNumbers)>,
}

impl<T: Real> SidesCode<T> {
    pub(super) const fn of<P: Pairing>() -> Self {
        let own = <P::Value as Pairing>::Column::<T>::LEN;
        let [_, own_copied] = <P::Value as Pairing>::Hoisting::COPIED;
        let own_copied = own_copied.is_some();
        // Points that are copied are read by column as they are written.
        let (one_by_one, copied) = match P::DISTANCE {
            Some(_) => {
                let [_, copied] = <P::Points as Pairing>::Hoisting::COPIED;
                let copied = copied.is_some();
                let all = own + <P::Points as Pairing>::Column::<T>::LEN;
                (copied || all > WIDE, copied && own_copied)
            }
            None => (own > WIDE, own_copied),
        };
        Self {
            own: HoistCode::of::<P::Value>(one_by_one),
            weights: [P::ROW_WEIGHTS, P::WEIGHTS],
            one_by_one,
            columns_by_lane: copied || !one_by_one,
            points: match P::DISTANCE {
                Some(numbers) => Some((HoistCode::of::<P::Points>(one_by_one), numbers)),
                None => None,
            },
        }
    }

    /// Features of a row.
    pub(super) fn row(&self) -> usize {
        let dimensions = self.points.map_or(0, |(code, _)| code.features[0]);
        self.own.features[0] + self.weights[0] + dimensions
    }

    /// Whether the formula is given its distance.
    pub(super) fn has_distance(&self) -> bool {
        self.points.is_some()
    }

    /// Whether features of a vector of columns can be computed.
    pub(super) const fn has_columns_by_lane(&self) -> bool {
        self.columns_by_lane
    }

    /// By how much, relatively, values change with the squared distance, where that is known.
    pub(super) fn slope(&self, params: &[f64]) -> Option<f64> {
        let (_, numbers) = self.points?;
        (numbers.slope)(params).first().copied()
    }

    /// What computes distances, from differences.
    pub(super) fn distances(&self, params: &[f64]) -> Option<Distances<T>> {
        let (code, numbers) = self.points?;
        Some(Distances {
            code,
            one_by_one: self.one_by_one,
            params: T::held(&(code.params)(params)),
            weights: T::held(&(numbers.weights)(params)),
            centre: None,
        })
    }
}

/// What computes the squared distances of pairs.
pub(super) struct Distances<T> {
    code: HoistCode<T>,
    one_by_one: bool,
    params: Vec<T>,
    /// The weights of dimensions; empty if all are 1.
    pub(super) weights: Vec<T>,
    /// The centre of points whose distances are computed from scalar products.
    centre: Option<Vec<T>>,
}

impl<T: Real> Distances<T> {
    /// Components of a point.
    pub(super) fn dimensions(&self) -> usize {
        self.code.features[0]
    }

    /// Features of a point: its components, and its square if distances are expanded.
    fn features(&self) -> usize {
        self.dimensions() + usize::from(self.centre.is_some())
    }

    /// Points of a side that are hoisted together.
    pub(super) fn lanes(&self, isa: InstructionSet, side: usize) -> usize {
        match side == 1 && self.one_by_one {
            true => 1,
            false => lanes::<T>(isa),
        }
    }

    /// Computes components from raw coordinates, both by component, then by lane.
    pub(super) fn hoist(&self, isa: InstructionSet, side: usize, raw: &[T], out: &mut [T]) {
        let lanes = out.len() / self.dimensions();
        self.code.run(isa, side, &self.params, lanes, raw, out);
    }

    /// Computes the features of points. The square is the last of the raw coordinates.
    fn hoist_features(&self, isa: InstructionSet, side: usize, raw: &[T], out: &mut [T]) {
        let lanes = out.len() / self.features();
        let (components, square) = out.split_at_mut(self.dimensions() * lanes);
        self.hoist(isa, side, raw, components);
        let Some(centre) = &self.centre else {
            return;
        };
        square.copy_from_slice(&raw[raw.len() - lanes..]);
        let minus_two = T::from_f64(-2.0);
        for (k, component) in components.chunks_exact_mut(lanes).enumerate() {
            for value in component.iter_mut() {
                *value = *value - centre[k];
            }
            if side == 0 {
                let weight = self.weights.get(k).copied().unwrap_or(T::ONE);
                for value in component {
                    *value = minus_two * weight * *value;
                }
            }
        }
    }

    fn metric(&self) -> Metric<'_, T> {
        match &self.centre {
            Some(_) => Metric::Products,
            None if self.weights.is_empty() => Metric::Differences,
            None => Metric::Weighted(&self.weights),
        }
    }
}

/// The sides of the pairs of a formula, with the parameters of a problem.
pub(super) struct Sides<T: 'static> {
    pub(super) isa: InstructionSet,
    code: SidesCode<T>,
    pub(super) params: Vec<T>,
    distances: Option<Distances<T>>,
    layout: Layout,
}

impl<T: Real> Sides<T> {
    /// Distances are computed from `squares`, if there are any, which are then the last of the raw coordinates.
    pub(super) fn new(
        isa: InstructionSet,
        code: SidesCode<T>,
        params: &[f64],
        squares: Option<&Squares>,
    ) -> Self {
        let lanes = lanes::<T>(isa);
        let mut distances = code.distances(params);
        if let (Some(distances), Some(squares)) = (&mut distances, squares) {
            distances.centre = Some(T::held(&squares.centre));
        }
        let [row, column] = [0, 1].map(|side| code.own.features[side] + code.weights[side]);
        Self {
            isa,
            code,
            params: T::held(&(code.own.params)(params)),
            layout: Layout {
                lanes,
                column_lanes: if code.one_by_one { 1 } else { lanes },
                row,
                column,
                point: distances.as_ref().map_or(0, Distances::features),
            },
            distances,
        }
    }

    /// Whether the formula is given its distance.
    pub(super) fn has_distance(&self) -> bool {
        self.distances.is_some()
    }

    /// The lengths.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Computes the features of so many points of a side, rows or columns, by feature, then by lane, from their raw coordinates in the same order. Weights are
    /// features as they are.
    pub(super) fn hoist(
        &self,
        side: usize,
        lanes: usize,
        raw: &[T],
        points: &mut [T],
        features: &mut [T],
    ) {
        let mut raw = raw;
        if let Some(distances) = &self.distances {
            distances.hoist_features(self.isa, side, raw, points);
            if distances.centre.is_some() {
                raw = &raw[..raw.len() - lanes];
            }
        }
        let weights = self.code.weights[side] * lanes;
        let (raw, weights_in) = raw.split_at(raw.len() - weights);
        let (features, weights_out) = features.split_at_mut(features.len() - weights);
        weights_out.copy_from_slice(weights_in);
        let (isa, own) = (self.isa, &self.code.own);
        own.run(isa, side, &self.params, lanes, raw, features);
    }

    /// Writes the squared distances of some vectors of rows and some columns, by vector, then by column, then by lane, if the formula is given them.
    pub(super) fn write_distances(
        &self,
        rows: Packed<'_, T>,
        columns: &Columns<'_, T>,
        distances: &mut [T],
    ) {
        if let Some(of) = &self.distances {
            let distances = SquaredDistances {
                metric: of.metric(),
                rows: rows.points,
                columns: columns.points,
                features: self.layout.point,
                dimensions: of.dimensions(),
                count: columns.count,
                distances,
            };
            T::squared_distances(self.isa, distances);
        }
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
