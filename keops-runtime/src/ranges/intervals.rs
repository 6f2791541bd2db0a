//! Arrays of intervals.

use crate::Error;
use crate::memory::collected;
use ndarray::{ArrayBase, Data, Ix2};

/// Intervals `[from, to]`, which hold the points `from..to`: `&[[usize; 2]]`, `&[[usize; 2]; N]`, `&Vec<[usize; 2]>`, or an
/// array or view of two columns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no array of intervals",
    label = "expected intervals",
    note = "accepted are `&[[usize; 2]]`, `&Vec<[usize; 2]>`, and `&Array2<usize>` with two columns"
)]
pub trait IntoIntervals {
    /// The intervals; `name` is for the error.
    #[doc(hidden)]
    fn into_intervals(self, name: &str) -> Result<Vec<[usize; 2]>, Error>;
}

impl IntoIntervals for &[[usize; 2]] {
    fn into_intervals(self, _: &str) -> Result<Vec<[usize; 2]>, Error> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> IntoIntervals for &[[usize; 2]; N] {
    fn into_intervals(self, _: &str) -> Result<Vec<[usize; 2]>, Error> {
        Ok(self.to_vec())
    }
}

impl IntoIntervals for &Vec<[usize; 2]> {
    fn into_intervals(self, _: &str) -> Result<Vec<[usize; 2]>, Error> {
        Ok(self.clone())
    }
}

impl<S: Data<Elem = usize>> IntoIntervals for &ArrayBase<S, Ix2> {
    fn into_intervals(self, name: &str) -> Result<Vec<[usize; 2]>, Error> {
        if self.ncols() != 2 {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: "two columns, from and to".into(),
                shape: crate::error::shape(self.shape()),
            });
        }
        collected(name, self.rows().into_iter().map(|row| [row[0], row[1]]))
    }
}
