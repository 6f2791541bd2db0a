//! The reduction that is differentiated.

use crate::bound::batch::{BatchCall, Extents};
use crate::bound::{Call, Orientation};
use crate::cpu::{Batch, Points, Problem};
use crate::input::Input;
use crate::options::{CallOptions, Hardware};
use crate::ranges::Pattern;
use crate::signature::{Category, Signature, Sizes};
use ndarray::ArrayView2;
use std::sync::Arc;

/// A reduction that was computed: its arrays, and how.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Pass<'a> {
    pub(in crate::bound) arrays: Arrays<'a>,
    pub(in crate::bound) sizes: Sizes,
    /// The axis that it ran over.
    pub(in crate::bound) axis: usize,
    /// The pairs that it took, if not all.
    pub(in crate::bound) pattern: Option<Arc<Pattern>>,
    pub(in crate::bound) hardware: Hardware,
    pub(in crate::bound) options: CallOptions,
}

/// The arrays of a reduction.
#[derive(Clone, Debug)]
pub(in crate::bound) enum Arrays<'a> {
    /// Of one.
    One(Call<'a>),
    /// Of a batch.
    Batch(BatchCall<'a>, Extents),
}

impl<'a> Pass<'a> {
    pub(super) fn signature(&self) -> &'static Signature {
        match &self.arrays {
            Arrays::One(call) => call.signature,
            Arrays::Batch(call, _) => call.signature,
        }
    }

    /// The number of elements of the batch.
    pub(super) fn elements(&self) -> usize {
        match &self.arrays {
            Arrays::One(_) => 1,
            Arrays::Batch(_, extents) => extents.elements,
        }
    }

    /// The arrays of an element.
    pub(super) fn call(&self, element: usize) -> Call<'a> {
        match &self.arrays {
            Arrays::One(call) => call.clone(),
            Arrays::Batch(call, extents) => call.element(&extents.position(element)),
        }
    }

    /// The number of rows of the gradient by a variable, for one element: its points, 1 for a parameter.
    pub(super) fn rows(&self, variable: usize) -> usize {
        match self.signature().aliases[variable].category {
            Category::I => self.sizes.i,
            Category::J => self.sizes.j,
            Category::Param => 1,
        }
    }

    /// The number of rows of the value, for one element.
    pub(in crate::bound) fn value_rows(&self) -> usize {
        if self.axis == 1 {
            self.sizes.i
        } else {
            self.sizes.j
        }
    }

    /// The problem that gradients are sums of, in orientation `O`: the arrays, and behind them, on the side of the rows of the value,
    /// those `of_rows`, with the rows of all elements. `unknown` are values for the unknown of a system.
    pub(super) fn problem<'b, O: Orientation>(
        &'b self,
        of_rows: &'b [Input<'b>],
        unknown: Option<ArrayView2<'b, f64>>,
    ) -> Problem<'b> {
        let pattern = self.pattern::<O>();
        let rows = self.value_rows();
        let element = move |number: usize, pattern| {
            let unknown = unknown.map(Input::F64);
            let call = self.call(number);
            let mut problem = call.with_unknown::<O>(self.sizes, pattern, unknown);
            let side = if O::AXIS == self.axis {
                &mut problem.rows
            } else {
                &mut problem.columns
            };
            for array in of_rows {
                side.push(
                    array.slice(number * rows..(number + 1) * rows),
                    array.columns(),
                );
            }
            problem
        };
        let Arrays::Batch(_, extents) = &self.arrays else {
            return element(0, pattern);
        };
        let Sizes { i, j } = self.sizes;
        let (rows, columns) = if O::AXIS == 1 { (i, j) } else { (j, i) };
        let visit = move |number, see: &mut dyn FnMut(&Problem<'_>)| see(&element(number, None));
        Problem {
            rows: Points::new(rows),
            columns: Points::new(columns),
            params: Vec::new(),
            formula: self.signature().formula,
            pattern,
            batch: Some(Batch {
                elements: extents.elements,
                visit: Arc::new(visit),
            }),
            symmetric: false,
            squares: None,
        }
    }

    /// The same with the arrays of the variables of each pair in each other's place.
    pub(super) fn exchanged(&self, pairs: &[[usize; 2]]) -> Self {
        let mut exchanged = self.clone();
        for &[i, j] in pairs {
            match &mut exchanged.arrays {
                Arrays::One(call) => call.arguments.swap(i, j),
                Arrays::Batch(call, _) => call.arguments.swap(i, j),
            }
        }
        exchanged
    }

    /// The pairs that it took, for a reduction in orientation `O`.
    fn pattern<O: Orientation>(&self) -> Option<Arc<Pattern>> {
        let pattern = self.pattern.as_ref()?;
        // The other half of the ranges need not hold the same pairs.
        Some(if O::AXIS == self.axis {
            Arc::clone(pattern)
        } else {
            Arc::new(pattern.transposed())
        })
    }
}
