//! The inner loops: vectors of rows against the columns of a tile.

use super::block::{goes_by_blocks, run_wide, takes_two_columns};
use super::pairing::{Mirrored, Pairing, scalar_value};
use crate::kernel::{Features, Given, Joined, Lanes, Splat};
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

/// A packed tile of columns.
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
                    run_block::<P, S, R, 4>(
                        s, reduction, params, rows, columns, state, totals, slots, done,
                    );
                }
                done += 4;
            }
        }
        2 => {
            while done + 2 <= vectors {
                run_block::<P, S, R, 2>(
                    s, reduction, params, rows, columns, state, totals, slots, done,
                );
                done += 2;
            }
        }
        _ => {}
    }
    while done < vectors {
        if const { P::GIVEN } {
            let distances = &distances[done * columns.count..][..columns.count];
            run_given::<P, S, R>(
                s, reduction, params, rows, columns, distances, state, totals, slots, done,
            );
        } else {
            run_block::<P, S, R, 1>(
                s, reduction, params, rows, columns, state, totals, slots, done,
            );
        }
        done += 1;
    }
}

/// Runs a tile of columns, whose distances are given, over vector `at` of rows.
#[inline(always)]
fn run_given<P: Pairing, S: Simd, R: Reduction>(
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
    let totals = &mut totals[at * slots..][..slots];
    let state = &mut state[..R::Tile::<S::V, P::Out<S::V>>::LEN];
    let row = P::Row::from_slice(&rows[at * P::Row::<S::V>::LEN..]);
    reduction.open(s, totals, state);
    let saved = R::Tile::<S::V, P::Out<S::V>>::from_mut_slice(state);
    let features = P::Column::<S::T>::many(columns.features, columns.count);
    let pairs = features.iter().zip(distances);
    macro_rules! run {
        ($tile:expr) => {
            for (offset, (column, &distance)) in pairs.enumerate() {
                let mut terms = reduction.accumulator(s, columns.first, offset, $tile, totals);
                let row = Given {
                    features: Lanes(row),
                    distance,
                };
                let column = Given {
                    features: Splat(column),
                    distance,
                };
                P::pair(s, params, &row, &column, &mut terms);
            }
        };
    }
    if const { is_local::<P, S, R, 1>() } {
        let mut tile = *saved;
        run!(&mut tile);
        *saved = tile;
    } else {
        run!(saved);
    }
    reduction.close(s, columns.first, state, totals);
}

/// Runs a tile of columns over the `N` vectors of rows from vector `at` on.
#[inline(always)]
pub(super) fn run_block<P: Pairing, S: Simd, R: Reduction, const N: usize>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
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
    if const { is_local::<P, S, R, N>() } {
        run_local::<P, S, R, N>(s, reduction, params, rows, columns, state, totals);
    } else {
        for r in 0..N {
            let tile = R::Tile::<S::V, P::Out<S::V>>::from_mut_slice(&mut state[r * length..]);
            let totals = &mut totals[r * slots..][..slots];
            let features = P::Column::<S::T>::many(columns.features, columns.count);
            for (offset, column) in features.iter().enumerate() {
                let mut terms = reduction.accumulator(s, columns.first, offset, tile, totals);
                P::pair(s, params, &Lanes(&rows[r]), &Splat(column), &mut terms);
            }
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
fn run_local<P: Pairing, S: Simd, R: Reduction, const N: usize>(
    s: S,
    reduction: R,
    params: &P::Params<S::T>,
    rows: &[P::Row<S::V>],
    columns: &Columns<'_, S::T>,
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
    let features = P::Column::<S::T>::many(columns.features, columns.count);
    // Not `enumerate`, which costs time at opt-level 1, the level of the profile `dev`; and not an index into the
    // features, which becomes an addressing mode that costs 10 % of a Gaussian on AVX-512.
    let mut offset = 0;
    #[expect(clippy::explicit_counter_loop)]
    for column in features {
        // Unrolled by hand: with a loop over the vectors, the arrays stay in memory where `pair` is long.
        macro_rules! step {
            ($($r:literal)*) => {$(
                if const { $r < N } {
                    let mut terms = reduction.accumulator(s, columns.first, offset, &mut tile[$r], totals);
                    P::pair(s, params, &Lanes(&row[$r]), &Splat(column), &mut terms);
                }
            )*};
        }
        step!(0 1 2 3);
        offset += 1;
    }
    for r in 0..N {
        let length = R::Tile::<S::V, P::Out<S::V>>::LEN;
        state[r * length..][..length].copy_from_slice(tile[r].as_slice());
    }
}

/// The number of vectors of rows that share the registers and the sums of a column while mirrored products are computed: one where terms are [`LONG`]. A Gaussian
/// in three dimensions is as fast then as with two and four, or 5 % faster.
const fn mirrored_rows<P: Pairing, S: Simd, const E: usize>() -> usize {
    let each = P::Row::<S::V>::LEN + 2 * E;
    if P::COST + 2 * E >= LONG {
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
    if const { P::GIVEN } {
        let rows = Joined::<P::Row<S::V>, [S::V; E]>::many(rows, vectors);
        let distances = distances.chunks_exact(columns.count.max(1));
        for ((row, sums), distances) in rows.iter().zip(row_sums.chunks_exact_mut(E)).zip(distances)
        {
            mirror_given::<P, S, E>(s, params, row, columns, distances, sums, column_sums);
        }
        return;
    }
    match const { mirrored_rows::<P, S, E>() } {
        4 => {
            while done + 4 <= vectors {
                mirror_block::<P, S, E, 4>(s, params, rows, columns, row_sums, column_sums, done);
                done += 4;
            }
        }
        2 => {
            while done + 2 <= vectors {
                mirror_block::<P, S, E, 2>(s, params, rows, columns, row_sums, column_sums, done);
                done += 2;
            }
        }
        _ => {}
    }
    while done < vectors {
        mirror_block::<P, S, E, 1>(s, params, rows, columns, row_sums, column_sums, done);
        done += 1;
    }
}

/// The same for one vector of rows.
#[inline(always)]
fn mirror_given<P: Pairing, S: Simd, const E: usize>(
    s: S,
    params: &P::Params<S::T>,
    row: &Joined<P::Row<S::V>, [S::V; E]>,
    columns: &Columns<'_, S::T>,
    distances: &[S::V],
    row_sums: &mut [S::V],
    column_sums: &mut [S::V],
) {
    let mut sums = [s.splat(S::T::ZERO); E];
    sums.copy_from_slice(row_sums);
    let features = Joined::<P::Column<S::T>, [S::T; E]>::many(columns.features, columns.count);
    let pairs = features.iter().zip(distances);
    for ((column, &distance), column_sums) in pairs.zip(column_sums.chunks_exact_mut(E)) {
        let of_row = Given {
            features: Lanes(row.first()),
            distance,
        };
        let of_column = Given {
            features: Splat(column.first()),
            distance,
        };
        let value = scalar_value::<P, S>(s, params, &of_row, &of_column);
        for e in 0..E {
            sums[e] = s.fma(value, s.splat(column.second()[e]), sums[e]);
            column_sums[e] = s.fma(value, row.second()[e], column_sums[e]);
        }
    }
    row_sums.copy_from_slice(&sums);
}

#[inline(always)]
fn mirror_block<P: Pairing, S: Simd, const E: usize, const N: usize>(
    s: S,
    params: &P::Params<S::T>,
    rows: &[S::V],
    columns: &Columns<'_, S::T>,
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
    for (column, column_sums) in features.iter().zip(column_sums.chunks_exact_mut(E)) {
        Mirrored::<P, E>::add(s, params, &row, column, &mut sums, column_sums);
    }
    for r in 0..N {
        row_sums[(at + r) * E..][..E].copy_from_slice(&sums[r]);
    }
}
