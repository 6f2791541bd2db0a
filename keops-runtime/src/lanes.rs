//! Vectors and their elements in memory.

use crate::simd::{Real, Simd};
use core::cell::RefCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::{mem, slice};

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

/// A line of the cache, which has the size and the alignment of the widest vector.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u64; 8]);

impl Line {
    const ZERO: Self = Self([0; 8]);
}

/// A thread keeps at most so many buffers for its next tasks,
const KEPT: usize = 8;
/// each of at most so many lines, a quarter of a mebibyte.
const LONGEST_KEPT: usize = 1 << 12;

thread_local! {
    /// Buffers that are not in use. Small reductions need hardly more time than an allocator takes for their buffers.
    static SPARE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that can be read as vectors of any instruction set.
pub(crate) struct Aligned<T> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Real> Aligned<T> {
    /// So many zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let spare = || SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut lines = match len {
            0 => Vec::new(),
            _ => spare().ok().flatten().unwrap_or_default(),
        };
        lines.clear();
        lines.resize(len.div_ceil(size_of::<Line>() / size_of::<T>()), Line::ZERO);
        Self {
            lines,
            len,
            element: PhantomData,
        }
    }
}

impl<T> Drop for Aligned<T> {
    fn drop(&mut self) {
        let lines = mem::take(&mut self.lines);
        if (1..=LONGEST_KEPT).contains(&lines.capacity()) {
            // When the thread ends, the buffers that it kept may be gone.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < KEPT {
                    spare.push(lines);
                }
            });
        }
    }
}

impl<T: Real> Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: the lines have room for `len` elements and their alignment, and all bits are numbers.
        unsafe { slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Real> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: the lines have room for `len` elements and their alignment, and all bits are numbers.
        unsafe { slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    /// What a buffer was used for before does not show, whatever its length and its type.
    #[test]
    fn buffers_are_zero_when_they_are_handed_out() {
        for len in [0, 1, 7, 8, 9, 1000, 3, 100_000, 16] {
            let mut singles = Aligned::<f32>::zeros(len);
            let mut doubles = Aligned::<f64>::zeros(len);
            assert!(singles.len() == len && doubles.len() == len);
            assert!(singles.iter().all(|&v| v == 0.0) && doubles.iter().all(|&v| v == 0.0));
            singles.fill(f32::NAN);
            doubles.fill(f64::NAN);
        }
    }
}
