//! Copies of points of any element type and strides, in the type of the evaluation.

use crate::input::Element;
use crate::simd::Real;
use ndarray::ArrayView2;

/// Copies points `first..first + valid` to `raw`, by component, then by lane; lanes beyond them repeat the last one.
pub(super) fn copy<U: Element, T: Real>(
    array: &ArrayView2<'_, U>,
    first: usize,
    valid: usize,
    lanes: usize,
    raw: &mut [T],
) {
    let columns = array.ncols();
    let (raw, beyond) = raw.split_at_mut(columns * lanes);
    let point = |l: usize| first + l.min(valid - 1);
    match array.as_slice() {
        Some(values) if valid == lanes => {
            let values = &values[first * columns..(first + valid) * columns];
            transpose(lanes, columns, values, raw, |value| {
                T::from_f64(value.to_f64())
            });
        }
        _ => {
            for (c, raw) in raw.chunks_exact_mut(lanes).enumerate() {
                for (l, raw) in raw.iter_mut().enumerate() {
                    *raw = T::from_f64(array[(point(l), c)].to_f64());
                }
            }
        }
    }
    beyond.fill(T::ZERO);
}

/// Copies points from `first` on, each to the front of a stretch of `stride` values.
pub(super) fn copy_rows<U: Element, C: Real>(
    array: &ArrayView2<'_, U>,
    first: usize,
    stride: usize,
    values: &mut [C],
) {
    let width = array.ncols();
    for (i, point) in values.chunks_mut(stride).enumerate() {
        let convert = |(to, from): (&mut C, &U)| *to = C::from_f64(from.to_f64());
        match array.as_slice() {
            Some(from) => {
                let from = &from[(first + i) * width..][..width];
                point.iter_mut().zip(from).for_each(convert);
            }
            None => point.iter_mut().zip(array.row(first + i)).for_each(convert),
        }
    }
}

/// Writes the transpose of a matrix of `rows` rows and `columns` columns.
#[inline(always)]
fn transpose<U: Copy, T>(
    rows: usize,
    columns: usize,
    from: &[U],
    to: &mut [T],
    convert: impl Fn(U) -> T,
) {
    // Numbers of lanes, which the loops are unrolled for.
    match rows {
        16 => transpose_by::<16, U, T>(columns, from, to, convert),
        8 => transpose_by::<8, U, T>(columns, from, to, convert),
        4 => transpose_by::<4, U, T>(columns, from, to, convert),
        1 => {
            for (to, from) in to.iter_mut().zip(from) {
                *to = convert(*from);
            }
        }
        _ => {
            for (c, to) in to.chunks_exact_mut(rows).enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    *to = convert(from[r * columns + c]);
                }
            }
        }
    }
}

#[inline(always)]
fn transpose_by<const R: usize, U: Copy, T>(
    columns: usize,
    from: &[U],
    to: &mut [T],
    convert: impl Fn(U) -> T,
) {
    // Numbers of components of points in few dimensions, which the loops are unrolled for.
    match columns {
        1 => transpose_array::<R, 1, U, T>(from, to, convert),
        2 => transpose_array::<R, 2, U, T>(from, to, convert),
        3 => transpose_array::<R, 3, U, T>(from, to, convert),
        4 => transpose_array::<R, 4, U, T>(from, to, convert),
        _ => {
            let from = &from[..R * columns];
            for (c, to) in to.as_chunks_mut::<R>().0.iter_mut().enumerate() {
                for (r, to) in to.iter_mut().enumerate() {
                    *to = convert(from[r * columns + c]);
                }
            }
        }
    }
}

#[inline(always)]
fn transpose_array<const R: usize, const C: usize, U: Copy, T>(
    from: &[U],
    to: &mut [T],
    convert: impl Fn(U) -> T,
) {
    let rows = &from.as_chunks::<C>().0[..R];
    for (c, to) in to.as_chunks_mut::<R>().0[..C].iter_mut().enumerate() {
        for (to, row) in to.iter_mut().zip(rows) {
            *to = convert(row[c]);
        }
    }
}
