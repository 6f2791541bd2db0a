//! Loops over the parts of an array on all threads. They are not generic, so that they are compiled with this crate.

use rayon::prelude::*;

/// Fewer values than this are computed by the calling thread: waking others takes longer.
const SERIAL: usize = 1 << 14;

/// Calls `part(n, values)` for the `n`-th stretch of `length` values of the array, of which the last one may be shorter.
pub(crate) fn for_each_part(
    values: &mut [f64],
    length: usize,
    part: &(dyn Fn(usize, &mut [f64]) + Sync),
) {
    let length = length.max(1);
    if values.len() < SERIAL {
        let parts = values.chunks_mut(length).enumerate();
        return parts.for_each(|(n, values)| part(n, values));
    }
    values
        .par_chunks_mut(length)
        .enumerate()
        .for_each(|(n, values)| part(n, values));
}
