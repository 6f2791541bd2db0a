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

/// The alignment of the widest vector, in bytes.
const ALIGNMENT: usize = 64;

/// A buffer that can be read as vectors of any instruction set.
///
/// It begins inside a larger one, since asking the allocator for aligned memory takes several times as long as this, and small reductions need
/// hardly more time than their buffers.
pub(crate) struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Aligned<T> {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let spare = ALIGNMENT / size_of::<T>();
        let memory = vec![T::ZERO; len + spare];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(spare);
        Self { memory, start, len }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}
