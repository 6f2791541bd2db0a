//! The inner loops: vectors of rows against the columns of a tile.

use super::block::{goes_by_blocks, run_wide, takes_two_columns};
use super::pairing::{Mirrored, Pairing};
use super::spread::{OverRows, Spread};
use crate::kernel::{Features, Given, Joined, Lanes};
use crate::reduce::Reduction;
use crate::simd::{Block, Pair, Quad, Real, Simd};

/// Features and states of at most this many bytes are held in local variables, which become registers.
const LOCAL_BYTES: usize = 2048;

/// From so many instructions per pair on, one vector of rows at a time is as fast as several.
///
/// The state of a vector waits for its last addition, four cycles or so. Several vectors in turn hide that, but so does
/// a term that takes longer than that to compute: a Gaussian in three dimensions (20 instructions) was measured to be as
/// fast with one vector as with two and four on AVX-512, and 5 % faster on AVX2, where registers are scarce. The code
/// is then only a part as large. Where a multiply-add is two instructions, one after the other, two vectors would be 15 % faster (SSE2), for
/// three times the code: the few processors without AVX2 are not worth a tenth of the build time of all.
const LONG: usize = 16;

/// The number of vectors of rows that share the registers, or a block: for short terms the most for which features, state and
/// temporaries fit.
pub(crate) const fn rows_per_block<P: Pairing, S: Simd, R: Reduction>() -> usize {
    let each = P::Row::<S::V>::LEN + R::Tile::<S::V, P::Out<S::V>>::LEN;
    if goes_by_blocks::<P, S, R>() {
        <Quad<S> as Block<S>>::ROWS
    } else if !R::BLOCKED || P::COST >= LONG || P::GIVEN {
        1
    } else if 4 * each + P::LIVE <= S::REGISTERS {
        4
    } else if 2 * each + P::LIVE <= S::REGISTERS {
        2
    } else {
        1
    }
}

/// Whether the features and states of a block are held in local variables.
const fn is_local<P: Pairing, S: Simd, R: Reduction, const N: usize>() -> bool {
    let each = P::Row::<S::V>::LEN + R::Tile::<S::V, P::Out<S::V>>::LEN;
    N * each * size_of::<S::V>() <= LOCAL_BYTES
}

/// A packed tile of columns, or of vectors of columns ([`OverColumns`](super::spread::OverColumns)).
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a, T> {
    /// Index of the first column.
    pub(crate) first: usize,
    /// Number of columns.
    pub(crate) count: usize,
    /// The features of the points that their distances are computed from, by column, then by feature.
    pub(crate) points: &'a [T],
    /// Their other features, likewise.
    pub(crate) features: &'a [T],
}

/// Runs a tile of columns over all vectors of rows.
///
/// `rows` are the features by vector, then by feature; `state` is scratch for the tile states of
/// [`rows_per_block`] vectors; `totals` those of the rows, `slots` vectors for each vector of rows. A formula that is given
/// its distance has it in `distances`, by vector, then by column.
#[inline(always)]
pub(crate) fn run_tile<P: Pairing, S: Simd, R: Reduction>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    state: &mut [S::V],
    totals: &mut [R::Total],
    slots: usize,
) {
    let vectors = totals.len() / (slots * S::LANES);
    let mut done = 0;
    match const { rows_per_block::<P, S, R>() } {
        4 => {
            while done + 4 <= vectors {
                if const { takes_two_columns::<P, S, R>() } {
                    run_wide::<P, S, R, Pair<Quad<S>>>(
                        s, reduction, params, rows, columns, state, totals, slots, done,
                    );
                } else if const { goes_by_blocks::<P, S, R>() } {
                    run_wide::<P, S, R, Quad<S>>(
                        s, reduction, params, rows, columns, state, totals, slots, done,
                    );
                } else {
                    run_block::<P, S, R, OverRows, 4>(
                        s, reduction, params, rows, columns, distances, state, totals, slots, done,
                    );
                }
                done += 4;
            }
        }
        2 => {
            while done + 2 <= vectors {
                run_block::<P, S, R, OverRows, 2>(
                    s, reduction, params, rows, columns, distances, state, totals, slots, done,
                );
                done += 2;
            }
        }
        _ => {}
    }
    while done < vectors {
        run_block::<P, S, R, OverRows, 1>(
            s, reduction, params, rows, columns, distances, state, totals, slots, done,
        );
        done += 1;
    }
}

/// Does `$work` for all columns, with their positions and their distances; these are NaN for a formula that is given none.
///
/// Not `enumerate`, which costs time at opt-level 1, the level of the profile `dev`; and not an index into the
/// features, which becomes an addressing mode that costs 10 % of a Gaussian on AVX-512.
macro_rules! for_each_column {
    ($P:ident, $s:ident, $columns:expr, $distances:expr, |$offset:ident, $column:pat_param, $distance:ident| $work:block) => {{
        let mut $offset = 0;
        if const { $P::GIVEN } {
            for ($column, &$distance) in $columns.into_iter().zip($distances) {
                $work
                $offset += 1;
            }
        } else {
            let $distance = $s.splat(S::T::NAN);
            for $column in $columns {
                $work
                $offset += 1;
            }
        }
    }};
}

/// The distances of vector `at` of rows from all columns, if the formula is given them; then vectors of rows go through a tile one by one.
#[inline(always)]
fn of_vector<P: Pairing, V>(distances: &[V], columns: usize, at: usize) -> &[V] {
    match const { P::GIVEN } {
        true => &distances[at * columns..][..columns],
        false => &[],
    }
}

/// Runs a tile of columns over the `N` vectors of rows from vector `at` on.
#[inline(always)]
pub(super) fn run_block<P: Pairing, S: Simd, R: Reduction, L: Spread<S>, const N: usize>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    state: &mut [S::V],
    totals: &mut [R::Total],
    slots: usize,
    at: usize,
) {
    let slots = slots * S::LANES;
    let length = R::Tile::<S::V, P::Out<S::V>>::LEN;
    let totals = &mut totals[at * slots..(at + N) * slots];
    let state = &mut state[..N * length];
    let rows = P::Row::<S::V>::many(&rows[at * P::Row::<S::V>::LEN..], N);
    for r in 0..N {
        reduction.open(
            s,
            &totals[r * slots..][..slots],
            &mut state[r * length..][..length],
        );
    }
    let distances = of_vector::<P, _>(distances, columns.count, at);
    if const { is_local::<P, S, R, N>() } {
        run_local::<P, S, R, L, N>(
            s, reduction, params, rows, columns, distances, state, totals,
        );
    } else {
        for r in 0..N {
            let tile = R::Tile::<S::V, P::Out<S::V>>::from_mut_slice(&mut state[r * length..]);
            let totals = &mut totals[r * slots..][..slots];
            let features = L::values(columns.features);
            let features = P::Column::<L::Value>::many(features, columns.count);
            for_each_column!(P, s, features, distances, |offset, column, distance| {
                let mut terms = reduction.accumulator(s, columns.first, offset, tile, totals);
                let (row, column) = Given::pair(Lanes(&rows[r]), L::column(column), distance);
                P::pair(s, params, &row, &column, &mut terms);
            });
        }
    }
    for r in 0..N {
        reduction.close(
            s,
            columns.first,
            &state[r * length..][..length],
            &mut totals[r * slots..][..slots],
        );
    }
}

/// The loop over columns, with features and states in registers.
#[inline(always)]
fn run_local<P: Pairing, S: Simd, R: Reduction, L: Spread<S>, const N: usize>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[P::Row<S::V>],
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    state: &mut [S::V],
    totals: &mut [R::Total],
) {
    const { assert!(N >= 1 && N <= 4) }
    let mut row = [rows[0]; N];
    let saved = R::Tile::<S::V, P::Out<S::V>>::many(state, N);
    let mut tile = [saved[0]; N];
    row.copy_from_slice(&rows[..N]);
    tile.copy_from_slice(&saved[..N]);
    // A reduction that reads its totals per term runs one vector of rows at a time; the others do not look.
    let totals = if R::BLOCKED { &mut [] } else { totals };
    let features = P::Column::<L::Value>::many(L::values(columns.features), columns.count);
    for_each_column!(P, s, features, distances, |offset, column, distance| {
        // Unrolled by hand: with a loop over the vectors, the arrays stay in memory where `pair` is long.
        macro_rules! step {
            ($($r:literal)*) => {$(
                if const { $r < N } {
                    let mut terms = reduction.accumulator(s, columns.first, offset, &mut tile[$r], totals);
                    let (row, column) = Given::pair(Lanes(&row[$r]), L::column(column), distance);
                    P::pair(s, params, &row, &column, &mut terms);
                }
            )*};
        }
        step!(0 1 2 3);
    });
    for r in 0..N {
        let length = R::Tile::<S::V, P::Out<S::V>>::LEN;
        state[r * length..][..length].copy_from_slice(tile[r].as_slice());
    }
}

/// The number of vectors of rows that share the registers and the sums of a column while mirrored products are computed: one where terms are [`LONG`]. A Gaussian
/// in three dimensions is as fast then as with two and four, or 5 % faster.
const fn mirrored_rows<P: Pairing, S: Simd, const E: usize>() -> usize {
    let each = P::Row::<S::V>::LEN + 2 * E;
    if P::COST + 2 * E >= LONG || P::GIVEN {
        1
    } else if 4 * each + E + P::LIVE <= S::REGISTERS {
        4
    } else if 2 * each + E + P::LIVE <= S::REGISTERS {
        2
    } else {
        1
    }
}

/// Adds the products of a tile with the weights of its columns to `row_sums`, and those of its transpose with the
/// weights of its rows to `column_sums`, which holds a vector for each sum. A formula that is given its distance has it in `distances`, by vector, then by
/// column.
#[inline(always)]
pub(crate) fn run_mirrored<P: Pairing, S: Simd, const E: usize>(
    s: S,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    row_sums: &mut [S::V],
    column_sums: &mut [S::V],
) {
    let vectors = row_sums.len() / E;
    let mut done = 0;
    match const { mirrored_rows::<P, S, E>() } {
        4 => {
            while done + 4 <= vectors {
                mirror_block::<P, S, E, 4>(
                    s,
                    params,
                    rows,
                    columns,
                    distances,
                    row_sums,
                    column_sums,
                    done,
                );
                done += 4;
            }
        }
        2 => {
            while done + 2 <= vectors {
                mirror_block::<P, S, E, 2>(
                    s,
                    params,
                    rows,
                    columns,
                    distances,
                    row_sums,
                    column_sums,
                    done,
                );
                done += 2;
            }
        }
        _ => {}
    }
    while done < vectors {
        mirror_block::<P, S, E, 1>(
            s,
            params,
            rows,
            columns,
            distances,
            row_sums,
            column_sums,
            done,
        );
        done += 1;
    }
}

#[inline(always)]
fn mirror_block<P: Pairing, S: Simd, const E: usize, const N: usize>(
    s: S,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    row_sums: &mut [S::V],
    column_sums: &mut [S::V],
    at: usize,
) {
    let length = P::Row::<S::V>::LEN + E;
    let saved = Joined::<P::Row<S::V>, [S::V; E]>::many(&rows[at * length..], N);
    let mut row = [saved[0]; N];
    row.copy_from_slice(&saved[..N]);
    let mut sums = [[s.splat(S::T::ZERO); E]; N];
    for r in 0..N {
        sums[r].copy_from_slice(&row_sums[(at + r) * E..][..E]);
    }
    let features = Joined::<P::Column<S::T>, [S::T; E]>::many(columns.features, columns.count);
    let distances = of_vector::<P, _>(distances, columns.count, at);
    let columns = features.iter().zip(column_sums.chunks_exact_mut(E));
    for_each_column!(
        P,
        s,
        columns,
        distances,
        |_offset, (column, column_sums), distance| {
            Mirrored::<P, E>::add(s, params, &row, column, distance, &mut sums, column_sums);
        }
    );
    for r in 0..N {
        row_sums[(at + r) * E..][..E].copy_from_slice(&sums[r]);
    }
}
