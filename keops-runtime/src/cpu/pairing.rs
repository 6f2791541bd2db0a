//! Which side of the pairs is spread over lanes, and products with vectors.

use crate::kernel::{
    Accumulator, Distance, Features, Fetch, Given, Joined, Kernel, Lanes, OfParameters, Splat,
};
use crate::lanes::{single_lanes, single_lanes_mut};
use crate::simd::{LaneArray, Scalar, Simd};
use core::marker::PhantomData;

/// How the features of a kernel are computed: in the same way, whatever is made of its terms.
pub trait Hoisting: Copy + Send + Sync + 'static {
    /// Features that depend on parameters alone.
    type Params<V: Copy>: Features<V>;

    /// The first of the raw coordinates that the features of rows, and of columns, are as they are.
    const COPIED: [Option<usize>; 2];

    /// The parameter features of raw parameters, computed in double precision whatever the type of the evaluation.
    fn params(raw: &[f64]) -> Vec<f64>;
    /// Computes the features of rows from their raw coordinates.
    fn hoist_rows<S: Simd>(s: S, p: &Self::Params<S::T>, raw: &[S::V], out: &mut [S::V]);
    /// Computes the features of columns from their raw coordinates.
    fn hoist_columns<S: Simd>(s: S, p: &Self::Params<S::T>, raw: &[S::V], out: &mut [S::V]);
}

/// A kernel seen from the driver: rows are spread over lanes and keep their results, columns are broadcast.
pub trait Pairing: Copy + Send + Sync + 'static {
    /// The same as a function of the squared distance of the pair, if [`Pairing::DISTANCE`] is not `None`; or itself.
    type Value: Pairing;
    /// The points of that distance.
    type Points: Pairing;
    /// How the features of the kernel are computed. Weights, which are features as they are, come after them.
    type Hoisting: Hoisting;
    /// Features that depend on parameters alone.
    type Params<V: Copy>: Features<V>;
    /// Features of a row.
    type Row<V: Copy>: Features<V>;
    /// Features of a column.
    type Column<V: Copy>: Features<V>;
    /// Components of a term.
    type Out<V: Copy>: Features<V>;

    /// Number of vector instructions per pair.
    const COST: usize;
    /// Temporaries that are alive at once.
    const LIVE: usize;
    /// Numbers that a pair keeps in arrays of its own.
    const STORED: usize;
    /// Weights of a row.
    const ROW_WEIGHTS: usize = 0;
    /// Weights of a column, which its scalar kernel is multiplied with; 0 if the terms are those of the kernel.
    const WEIGHTS: usize = 0;
    /// The kernel's functions for CUDA; empty for what runs on processors only.
    const CUDA: &'static str = "";
    /// Whether rows are points i, or points j; for CUDA.
    const ROWS_ARE_I: bool = true;
    /// What is known of the squared distance that [`Pairing::Value`] is given; `None` if it is given none.
    const DISTANCE: Option<DistanceNumbers> = None;
    /// Whether the squared distance of a pair is given.
    const GIVEN: bool = false;

    /// Evaluates the terms of one vector of rows and one column, or of a block of them.
    fn pair<S: Simd, R: Fetch<S>, C: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &Self::Params<S::T>,
        row: &R,
        column: &C,
        out: &mut A,
    );
}

/// Numbers of a squared distance, from raw parameters; see [`Distance`].
#[derive(Clone, Copy)]
pub struct DistanceNumbers {
    pub(super) weights: fn(&[f64]) -> Vec<f64>,
    pub(super) slope: fn(&[f64]) -> Vec<f64>,
}

/// The kernel `K` with rows `i` and columns `j`: reductions over `j`.
#[derive(Clone, Copy, Debug)]
pub struct RowsI<K>(PhantomData<K>);

/// The kernel `K` with rows `j` and columns `i`: reductions over `i`.
#[derive(Clone, Copy, Debug)]
pub struct RowsJ<K>(PhantomData<K>);

macro_rules! pairing {
    ($name:ident, $rows_are_i:literal, $row:ident, $column:ident, $hoist_rows:ident, $hoist_columns:ident, $r:ident $c:ident => $i:expr, $j:expr) => {
        impl<K: Kernel> Hoisting for $name<K> {
            type Params<V: Copy> = K::Params<V>;

            const COPIED: [Option<usize>; 2] = {
                let [i, j] = K::COPIED;
                if $rows_are_i { [i, j] } else { [j, i] }
            };

            fn params(raw: &[f64]) -> Vec<f64> {
                params::<K>(raw)
            }
            #[inline(always)]
            fn hoist_rows<S: Simd>(s: S, p: &K::Params<S::T>, raw: &[S::V], out: &mut [S::V]) {
                K::$hoist_rows(s, p, raw, out);
            }
            #[inline(always)]
            fn hoist_columns<S: Simd>(s: S, p: &K::Params<S::T>, raw: &[S::V], out: &mut [S::V]) {
                K::$hoist_columns(s, p, raw, out);
            }
        }

        impl<K: Kernel> Pairing for $name<K> {
            type Value = $name<<K::Distance as Distance>::Value>;
            type Points = $name<<K::Distance as Distance>::Points>;
            type Hoisting = Self;
            type Params<V: Copy> = K::Params<V>;
            type Row<V: Copy> = K::$row<V>;
            type Column<V: Copy> = K::$column<V>;
            type Out<V: Copy> = K::Out<V>;
            const COST: usize = K::COST;
            const LIVE: usize = K::LIVE;
            const STORED: usize = K::STORED;
            const CUDA: &'static str = K::CUDA;
            const ROWS_ARE_I: bool = $rows_are_i;
            const DISTANCE: Option<DistanceNumbers> = if K::Distance::EXISTS {
                Some(DistanceNumbers {
                    weights: <K::Distance as Distance>::Weights::compute,
                    slope: <K::Distance as Distance>::Slope::compute,
                })
            } else {
                None
            };
            const GIVEN: bool = K::GIVEN;

            #[inline(always)]
            fn pair<S: Simd, R: Fetch<S>, C: Fetch<S>, A: Accumulator<S>>(
                s: S,
                p: &K::Params<S::T>,
                $r: &R,
                $c: &C,
                out: &mut A,
            ) {
                K::pair(s, p, $i, $j, out);
            }
        }
    };
}
pairing!(RowsI, true, I, J, hoist_i, hoist_j, row column => row, column);
pairing!(RowsJ, false, J, I, hoist_j, hoist_i, row column => column, row);

/// [`Hoisting::params`], compiled once for a kernel, whatever is made of it.
#[inline(never)]
fn params<K: Kernel>(raw: &[f64]) -> Vec<f64> {
    let mut params = vec![0.0; K::Params::<f64>::LEN];
    K::hoist_params(
        LaneArray::<f64, 1>::new(),
        single_lanes::<Scalar<f64>>(raw),
        single_lanes_mut::<Scalar<f64>>(&mut params),
    );
    params
}

/// The products of a scalar kernel with `E` weights of the column: the terms of `sum_j k(i, j) v_j`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighted<P, const E: usize>(PhantomData<P>);

/// Holds the value of a scalar kernel.
struct Value<V>(V);

impl<S: Simd> Accumulator<S> for Value<S::V> {
    #[inline(always)]
    fn push(&mut self, _: S, _: usize, value: S::V) {
        self.0 = value;
    }
    #[inline(always)]
    fn push_product(&mut self, s: S, _: usize, a: S::V, b: S::V) {
        self.0 = s.mul(a, b);
    }
}

/// The value of a scalar kernel for one vector of rows and one column, or for a block of them.
#[inline(always)]
pub(crate) fn scalar_value<P: Pairing, S: Simd>(
    s: S,
    p: &P::Params<S::T>,
    row: &impl Fetch<S>,
    column: &impl Fetch<S>,
) -> S::V {
    let mut value = Value(s.splat(<S::T as crate::simd::Real>::ZERO));
    P::pair(s, p, row, column, &mut value);
    value.0
}

impl<P: Pairing, const E: usize> Pairing for Weighted<P, E> {
    type Value = Weighted<P::Value, E>;
    type Points = P::Points;
    type Hoisting = P::Hoisting;
    type Params<V: Copy> = P::Params<V>;
    type Row<V: Copy> = P::Row<V>;
    type Column<V: Copy> = Joined<P::Column<V>, [V; E]>;
    type Out<V: Copy> = [V; E];
    const COST: usize = P::COST + E;
    const LIVE: usize = P::LIVE;
    const STORED: usize = P::STORED;
    const CUDA: &'static str = P::CUDA;
    const ROWS_ARE_I: bool = P::ROWS_ARE_I;
    const DISTANCE: Option<DistanceNumbers> = P::DISTANCE;
    const GIVEN: bool = P::GIVEN;
    const WEIGHTS: usize = E;

    #[inline(always)]
    fn pair<S: Simd, R: Fetch<S>, C: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &P::Params<S::T>,
        row: &R,
        column: &C,
        out: &mut A,
    ) {
        // The features of the kernel come first.
        let value = scalar_value::<P, S>(s, p, row, column);
        for e in 0..E {
            out.push_product(s, e, value, column.get(s, P::Column::<S::T>::LEN + e));
        }
    }
}

/// The products of a scalar kernel with `E` weights, which rows have as well as columns: the terms of
/// `sum_j k(i, j) v_j` and of `sum_i k(i, j) v_i`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mirrored<P, const E: usize>(PhantomData<P>);

impl<P: Pairing, const E: usize> Pairing for Mirrored<P, E> {
    type Value = Mirrored<P::Value, E>;
    type Points = P::Points;
    type Hoisting = P::Hoisting;
    type Params<V: Copy> = P::Params<V>;
    type Row<V: Copy> = Joined<P::Row<V>, [V; E]>;
    type Column<V: Copy> = Joined<P::Column<V>, [V; E]>;
    type Out<V: Copy> = [V; E];
    const COST: usize = P::COST + 2 * E;
    const LIVE: usize = P::LIVE;
    const STORED: usize = P::STORED;
    const DISTANCE: Option<DistanceNumbers> = P::DISTANCE;
    const GIVEN: bool = P::GIVEN;
    const ROW_WEIGHTS: usize = E;
    const WEIGHTS: usize = E;

    #[inline(always)]
    fn pair<S: Simd, R: Fetch<S>, C: Fetch<S>, A: Accumulator<S>>(
        s: S,
        p: &P::Params<S::T>,
        row: &R,
        column: &C,
        out: &mut A,
    ) {
        Weighted::<P, E>::pair(s, p, row, column, out);
    }
}

impl<P: Pairing, const E: usize> Mirrored<P, E> {
    /// Adds the products of the entries of some vectors of rows and one column, whose squared distance may be given, to the sums of these rows and of the column.
    #[inline(always)]
    pub(crate) fn add<S: Simd, const N: usize>(
        s: S,
        p: &P::Params<S::T>,
        rows: &[Joined<P::Row<S::V>, [S::V; E]>; N],
        column: &Joined<P::Column<S::T>, [S::T; E]>,
        distance: S::V,
        row_sums: &mut [[S::V; E]; N],
        column_sums: &mut [S::V],
    ) {
        let mut sums = [s.splat(<S::T as crate::simd::Real>::ZERO); E];
        sums.copy_from_slice(column_sums);
        // Unrolled by hand, as in the loop over a tile.
        macro_rules! step {
            ($($r:literal)*) => {$(
                if const { $r < N } {
                    let (row, of_column) = Given::pair(Lanes(rows[$r].first()), Splat(column.first()), distance);
                    let value = scalar_value::<P, S>(s, p, &row, &of_column);
                    for e in 0..E {
                        let weight = Splat(column.second()).get(s, e);
                        row_sums[$r][e] = s.fma(value, weight, row_sums[$r][e]);
                        sums[e] = s.fma(value, rows[$r].second()[e], sums[e]);
                    }
                }
            )*};
        }
        step!(0 1 2 3);
        column_sums.copy_from_slice(&sums);
    }
}
