//! Vectors and their elements in memory.

use crate::simd::{Real, Simd};
use core::ops::{Deref, DerefMut};
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

/// The vectors that begin in an [`Aligned`] buffer at a multiple of their length.
///
/// # Panics
/// If the elements are not aligned as vectors are.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(elements: &[S::T]) -> &[S::V] {
    let vectors = elements.as_ptr().cast::<S::V>();
    assert!(vectors.is_aligned());
    // SAFETY: a vector is laid out as `[T; LANES]`, and the pointer is aligned.
    unsafe { slice::from_raw_parts(vectors, elements.len() / S::LANES) }
}

/// The vectors that begin in an [`Aligned`] buffer at a multiple of their length, mutable.
///
/// # Panics
/// If the elements are not aligned as vectors are.
#[inline(always)]
pub(crate) fn vectors_mut<S: Simd>(elements: &mut [S::T]) -> &mut [S::V] {
    let vectors = elements.as_mut_ptr().cast::<S::V>();
    assert!(vectors.is_aligned());
    // SAFETY: a vector is laid out as `[T; LANES]`, and the pointer is aligned.
    unsafe { slice::from_raw_parts_mut(vectors, elements.len() / S::LANES) }
}

/// Elements as vectors of one lane.
#[inline(always)]
pub(crate) fn single_lanes<O: Simd>(elements: &[O::T]) -> &[O::V] {
    const {
        assert!(O::LANES == 1 && align_of::<O::V>() <= align_of::<O::T>());
    }
    // SAFETY: a vector is laid out as `[T; 1]` and needs no other alignment.
    unsafe { slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) }
}

/// Elements as vectors of one lane, mutable.
#[inline(always)]
pub(crate) fn single_lanes_mut<O: Simd>(elements: &mut [O::T]) -> &mut [O::V] {
    const {
        assert!(O::LANES == 1 && align_of::<O::V>() <= align_of::<O::T>());
    }
    // SAFETY: a vector is laid out as `[T; 1]` and needs no other alignment.
    unsafe { slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}

/// Elements of a [`Line`]: as many as the widest vector has.
const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line<T>([T; LINE]);

/// A buffer that can be read as vectors of any instruction set.
pub(crate) struct Aligned<T> {
    lines: Vec<Line<T>>,
    len: usize,
}

impl<T: Real> Aligned<T> {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let lines = vec![Line([T::ZERO; LINE]); len.div_ceil(LINE)];
        Self { lines, len }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: lines follow each other without gaps, as their size is a multiple of their alignment and that of so many
        // elements; there are at least `len` elements.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

const _: () = assert!(size_of::<Line<f32>>() == 64 && size_of::<Line<f64>>() == 128);
