//! Squared distances of many points from many others, computed as matrices are multiplied.
//!
//! They are sums of squared differences, or else `|a|^2 + |b|^2 - 2 (a, b)` of points that are taken relative to a centre
//! ([`squares`](super::squares)): one multiply-add for each pair and dimension, where differences take two instructions. A block of distances stays in
//! registers for all dimensions.

use super::tile::Columns;
use crate::lanes::{vectors, vectors_mut};
use crate::simd::{InstructionSet, Real, Simd, WithSimd, dispatch};
use core::marker::PhantomData;

/// So many components are summed before their sums are added to those of others: rows stay in the first level cache, and
/// long sums keep their digits.
const COMPONENTS: usize = 64;
/// Vectors of rows of a block.
pub(super) const ROWS: usize = 4;
/// Columns whose distances, or values, are computed together: those of a block of rows stay in the first level cache. A multiple of what is computed at once.
pub(super) const TOGETHER: usize = 120;

/// How squared distances are computed.
pub(super) enum Metric<'a, T> {
    /// From the differences of all components.
    Differences,
    /// The same with a weight for each component.
    Weighted(&'a [T]),
    /// From scalar products with rows that were multiplied with -2. The last of the features of rows and of columns is their square.
    Products,
}

/// Writes the squared distances of some vectors of rows from some columns, by vector, then by column, then by lane.
pub struct SquaredDistances<'a, T> {
    pub(super) metric: Metric<'a, T>,
    /// The rows by vector, then by feature, then by lane; of the features the first ones are the components.
    pub(super) rows: &'a [T],
    /// The columns by column, then by feature.
    pub(super) columns: &'a [T],
    /// Features of a point.
    pub(super) features: usize,
    /// Components of a point.
    pub(super) dimensions: usize,
    /// Number of columns.
    pub(super) count: usize,
    pub(super) distances: &'a mut [T],
}

impl<T: Real> SquaredDistances<'_, T> {
    pub(crate) fn compute(self, isa: InstructionSet) {
        match self.metric {
            Metric::Differences => dispatch(isa, By::<_, Differences<false>>(self, PhantomData)),
            Metric::Weighted(_) => dispatch(isa, By::<_, Differences<true>>(self, PhantomData)),
            Metric::Products => dispatch(isa, By::<_, Products>(self, PhantomData)),
        }
    }
}

/// What a component adds to a distance.
trait Term {
    /// Whether components have weights.
    const WEIGHTED: bool;
    /// Whether rows and columns have squares, which distances begin with.
    const SQUARES: bool;
    /// The columns of a block, as many as there are registers for sums, where these are 32.
    const MANY: usize;
    /// The same for 16 registers.
    const FEW: usize;

    /// Adds the term of a component, which may have a weight, to a sum.
    fn add<S: Simd>(s: S, row: S::V, column: S::V, weight: S::V, sum: S::V) -> S::V;
}

struct Differences<const WEIGHTED: bool>;
struct Products;

impl<const WEIGHTED: bool> Term for Differences<WEIGHTED> {
    const WEIGHTED: bool = WEIGHTED;
    const SQUARES: bool = false;
    const MANY: usize = 5;
    const FEW: usize = 2;

    #[inline(always)]
    fn add<S: Simd>(s: S, row: S::V, column: S::V, weight: S::V, sum: S::V) -> S::V {
        let difference = s.sub(row, column);
        let weighted = match const { WEIGHTED } {
            true => s.mul(weight, difference),
            false => difference,
        };
        s.fma(weighted, difference, sum)
    }
}

impl Term for Products {
    const WEIGHTED: bool = false;
    const SQUARES: bool = true;
    const MANY: usize = 6;
    const FEW: usize = 3;

    #[inline(always)]
    fn add<S: Simd>(s: S, row: S::V, column: S::V, _: S::V, sum: S::V) -> S::V {
        s.fma(row, column, sum)
    }
}

struct By<'a, T, M>(SquaredDistances<'a, T>, PhantomData<M>);

impl<T: Real, M: Term> WithSimd<T> for By<'_, T, M> {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd<T = T>>(self, s: S) {
        let By(of, _) = self;
        let SquaredDistances {
            features, count, ..
        } = of;
        let weights = match of.metric {
            Metric::Weighted(weights) => weights,
            _ => &[],
        };
        let rows = vectors::<S>(of.rows);
        let distances = vectors_mut::<S>(of.distances);
        let blocks = rows.chunks(ROWS * features);
        for (rows, distances) in blocks.zip(distances.chunks_mut(ROWS * count)) {
            for first in (0..of.dimensions).step_by(COMPONENTS) {
                let block = Block::<S, M> {
                    rows,
                    columns: of.columns,
                    weights,
                    features,
                    first,
                    components: COMPONENTS.min(of.dimensions - first),
                    count,
                    term: PhantomData,
                };
                if distances.len() == ROWS * count {
                    block.add::<ROWS>(s, distances);
                    continue;
                }
                for (r, distances) in distances.chunks_exact_mut(count).enumerate() {
                    let rows = &rows[r * features..];
                    Block { rows, ..block }.add::<1>(s, distances);
                }
            }
        }
    }
}

/// Some components of a few vectors of rows and of the columns.
struct Block<'a, S: Simd, M> {
    rows: &'a [S::V],
    columns: &'a [S::T],
    weights: &'a [S::T],
    features: usize,
    /// The first of the components.
    first: usize,
    components: usize,
    count: usize,
    term: PhantomData<M>,
}

impl<S: Simd, M: Term> Clone for Block<'_, S, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Simd, M: Term> Copy for Block<'_, S, M> {}

impl<S: Simd, M: Term> Block<'_, S, M> {
    /// Adds these components of `R` vectors of rows to the sums of those before.
    #[inline(always)]
    fn add<const R: usize>(&self, s: S, distances: &mut [S::V]) {
        let mut done = 0;
        macro_rules! blocks {
            ($($columns:literal)*) => {$(
                if const { $columns <= if S::REGISTERS >= 32 { M::MANY } else { M::FEW } } {
                    while self.count - done >= $columns {
                        self.add_columns::<R, $columns>(s, done, distances);
                        done += $columns;
                    }
                }
            )*};
        }
        if const { M::SQUARES } {
            blocks!(6 3 2 1);
        } else {
            blocks!(5 2 1);
        }
    }

    /// Adds these components of `R` vectors of rows and `C` columns from column `at` on.
    #[inline(always)]
    fn add_columns<const R: usize, const C: usize>(&self, s: S, at: usize, distances: &mut [S::V]) {
        let Self {
            features,
            first,
            components,
            ..
        } = *self;
        let rows: [&[S::V]; R] =
            core::array::from_fn(|r| &self.rows[r * features + first..][..components]);
        let columns: [&[S::T]; C] =
            core::array::from_fn(|c| &self.columns[(at + c) * features + first..][..components]);
        let weights = match const { M::WEIGHTED } {
            true => &self.weights[first..][..components],
            false => &[],
        };
        let mut sums = [[s.splat(S::T::ZERO); C]; R];
        for k in 0..components {
            let weight = match const { M::WEIGHTED } {
                true => s.splat(weights[k]),
                false => s.splat(S::T::ONE),
            };
            let columns: [S::V; C] = core::array::from_fn(|c| s.splat(columns[c][k]));
            for r in 0..R {
                let row = rows[r][k];
                for c in 0..C {
                    sums[r][c] = M::add(s, row, columns[c], weight, sums[r][c]);
                }
            }
        }
        for r in 0..R {
            let distances = &mut distances[r * self.count + at..][..C];
            if first > 0 {
                for c in 0..C {
                    sums[r][c] = s.add(distances[c], sums[r][c]);
                }
            } else if const { M::SQUARES } {
                let row = self.rows[(r + 1) * features - 1];
                for c in 0..C {
                    let column = self.columns[(at + c + 1) * features - 1];
                    sums[r][c] = s.add(s.add(row, s.splat(column)), sums[r][c]);
                }
            }
            distances.copy_from_slice(&sums[r]);
        }
    }
}

impl<'a, T: Real> Columns<'a, T> {
    /// The columns in groups of at most [`TOGETHER`]; with so many features of their points and so many others.
    pub(super) fn groups(
        &self,
        [points, features]: [usize; 2],
    ) -> impl Iterator<Item = Columns<'a, T>> {
        let Columns {
            first,
            count,
            points: of_points,
            features: others,
        } = *self;
        (0..count).step_by(TOGETHER).map(move |offset| Columns {
            first: first + offset,
            count: TOGETHER.min(count - offset),
            points: &of_points[offset * points..],
            features: &others[offset * features..],
        })
    }
}
