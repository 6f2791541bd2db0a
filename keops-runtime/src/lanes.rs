//! Vectors and their elements in memory.

use crate::simd::Simd;
use core::slice;

/// Vectors as the elements of their lanes.
#[inline(always)]
pub(crate) fn scalars<S: Simd>(vectors: &[S::V]) -> &[S::T] {
    // SAFETY: a vector is laid out as `[T; LANES]`.
    unsafe { slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * S::LANES) }
}

/// Vectors as the elements of their lanes, mutable.
#[inline(always)]
pub(crate) fn scalars_mut<S: Simd>(vectors: &mut [S::V]) -> &mut [S::T] {
    // SAFETY: a vector is laid out as `[T; LANES]`.
    unsafe { slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), vectors.len() * S::LANES) }
}

/// Elements as vectors of one lane.
#[inline(always)]
pub(crate) fn single_lanes_mut<O: Simd>(elements: &mut [O::T]) -> &mut [O::V] {
    const {
        assert!(O::LANES == 1 && align_of::<O::V>() <= align_of::<O::T>());
    }
    // SAFETY: a vector is laid out as `[T; 1]` and needs no other alignment.
    unsafe { slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}
