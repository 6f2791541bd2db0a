//! Allocations whose size is that of arrays of the caller, checked.
//!
//! The shape of an array is no promise that there is memory for another one of that shape: a view that repeats a row has any number of them.

use crate::Error;
use core::hint::black_box;
use ndarray::{Array, Dimension};

/// What is asked for where nothing else is said.
const NAME: &str = "the result";

/// An empty vector with room for the elements of an array of this shape; `name` is for the error.
///
/// # Errors
/// [`Error::Shape`] if there is no memory for them.
pub(crate) fn room<A>(name: &str, shape: &[usize]) -> Result<Vec<A>, Error> {
    let mut lengths = shape.iter();
    let length = lengths.try_fold(1, |product: usize, &length| product.checked_mul(length));
    let mut elements = Vec::new();
    match length.map(|length| elements.try_reserve_exact(length)) {
        Some(Ok(())) => Ok(elements),
        _ => Err(refused(name, shape)),
    }
}

/// Refuses what needs an array of this shape before work is done for it in vain, or before code that does not check allocates it.
///
/// # Errors
/// As for [`room`].
pub(crate) fn check<A>(name: &str, shape: &[usize]) -> Result<(), Error> {
    // Memory that is not used must not be optimised away.
    black_box(room::<A>(name, shape)?);
    Ok(())
}

/// An array of this shape.
///
/// # Errors
/// As for [`room`].
pub(crate) fn filled<A: Copy, D: Dimension>(shape: D, value: A) -> Result<Array<A, D>, Error> {
    let mut elements = room(NAME, shape.slice())?;
    elements.resize(shape.size(), value);
    let array = Array::from_shape_vec(shape.clone(), elements);
    array.map_err(|_| refused(NAME, shape.slice()))
}

/// A vector of so many equal elements.
///
/// # Errors
/// As for [`room`].
pub(crate) fn repeated<A: Copy>(length: usize, value: A) -> Result<Vec<A>, Error> {
    let mut elements = room(NAME, &[length])?;
    elements.resize(length, value);
    Ok(elements)
}

/// What an iterator gives that knows its length.
///
/// # Errors
/// As for [`room`].
pub(crate) fn collected<A>(
    name: &str,
    items: impl IntoIterator<Item = A>,
) -> Result<Vec<A>, Error> {
    let items = items.into_iter();
    let mut elements = room(name, &[items.size_hint().0])?;
    elements.extend(items);
    Ok(elements)
}

fn refused(name: &str, shape: &[usize]) -> Error {
    Error::Shape {
        name: name.into(),
        expected: "an array that fits into memory".into(),
        shape: crate::error::shape(shape),
    }
}
