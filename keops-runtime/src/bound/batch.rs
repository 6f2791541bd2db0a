//! Batches: the same formula for many sets of arrays of the same sizes.

mod adjoint;
mod matrix;
mod system;

pub use adjoint::{ForwardSolveBatch, SystemBatchGradients};
pub use matrix::MatrixBatch;
pub use system::{BatchSolution, BatchSolveError, SystemBatch, UnconvergedBatch};

use super::{Call, Operation, Orientation};
use crate::Error;
use crate::cpu::{Batch, Points, Problem, Span};
use crate::error::shape;
use crate::input::{BatchArgument, Element};
use crate::kernel::Kernel;
use crate::memory;
use crate::options::{CallOptions, option_methods};
use crate::signature::{AliasInfo, Category, Signature, Sizes};
use core::marker::PhantomData;
use ndarray::{Array, ArrayD, Dimension};
use std::sync::Arc;

/// A formula's arrays with batch dimensions, as they were bound.
#[derive(Clone, Debug)]
pub(super) struct BatchCall<'a> {
    pub(super) signature: &'static Signature,
    pub(super) arguments: Vec<BatchArgument<'a>>,
    pub(super) captured: Vec<f64>,
}

/// The sizes of a batch.
#[derive(Clone, Debug)]
pub(super) struct Extents {
    /// The batch dimensions.
    pub(super) batch: Vec<usize>,
    /// Their product.
    pub(super) elements: usize,
    /// The numbers of points of an element.
    pub(super) sizes: Sizes,
}

impl Extents {
    fn new(batch: Vec<usize>, sizes: Sizes) -> Result<Self, Error> {
        // What the driver notes of each element, which may be more than a result.
        memory::check::<Span>("the batch", &batch)?;
        Ok(Self {
            elements: batch.iter().product(),
            batch,
            sizes,
        })
    }

    /// The numbers of rows and columns of an element in orientation `O`.
    fn rows_and_columns<O: Orientation>(&self) -> (usize, usize) {
        let Sizes { i, j } = self.sizes;
        if O::AXIS == 1 { (i, j) } else { (j, i) }
    }

    /// The batch with that of vectors, an array of shape `(batch.., height, columns)`, which is to be broadcast with it; and the
    /// number of vectors.
    fn with_vectors(
        self,
        name: &str,
        found: &[usize],
        height: usize,
    ) -> Result<(Self, usize), Error> {
        let refused = || Error::Shape {
            name: name.into(),
            expected: format!(
                "{height} rows, as many as the matrices have columns, behind batch dimensions that fit to {}",
                shape(&self.batch)
            ),
            shape: shape(found),
        };
        let [leading @ .., rows, vectors] = found else {
            return Err(refused());
        };
        let batch = broadcast_lengths(&self.batch, leading).filter(|_| *rows == height);
        let extents = Extents::new(batch.ok_or_else(refused)?, self.sizes)?;
        Ok((extents, *vectors))
    }

    /// The indices of an element.
    pub(super) fn position(&self, mut element: usize) -> Vec<usize> {
        let mut position = vec![0; self.batch.len()];
        for (index, &length) in position.iter_mut().zip(&self.batch).rev() {
            (element, *index) = (element / length, element % length);
        }
        position
    }
}

impl<'a> BatchCall<'a> {
    /// Checks the arrays, one per alias.
    ///
    /// # Errors
    /// Those of [`Signature::check`], and [`Error::Batch`] for batch dimensions that cannot be broadcast together.
    pub(super) fn extents(&self) -> Result<Extents, Error> {
        let variables = || self.signature.aliases.iter().zip(&self.arguments);
        for (alias, argument) in variables() {
            alias.check_last(argument)?;
        }
        let count = |category| {
            let points = variables().filter(|(alias, _)| alias.category == category);
            let counts = points.map(|(alias, argument)| {
                let shape = argument.shape();
                (alias, shape[shape.len() - 2])
            });
            common_count(counts)
        };
        let sizes = Sizes {
            i: count(Category::I)?,
            j: count(Category::J)?,
        };
        let batch = self.broadcast()?;
        Extents::new(batch, sizes)
    }

    /// The batch dimensions of all arrays together: aligned at the last one, missing ones are 1, and lengths of 1 give way.
    fn broadcast(&self) -> Result<Vec<usize>, Error> {
        // Each length from the last to the first, with the variable that it comes from.
        let mut lengths: Vec<(usize, &'static str)> = Vec::new();
        for (alias, argument) in self.signature.aliases.iter().zip(&self.arguments) {
            let leading = alias.leading(argument.shape());
            for (place, &found) in leading.iter().rev().enumerate() {
                match lengths.get_mut(place) {
                    None => lengths.push((found, alias.name)),
                    Some(length) if length.0 == 1 => *length = (found, alias.name),
                    Some(length) if length.0 == found || found == 1 => {}
                    Some(&mut (expected, other)) => {
                        return Err(Error::Batch {
                            alias: alias.name.into(),
                            dimension: leading.len() - 1 - place,
                            expected,
                            other: other.into(),
                            shape: shape(argument.shape()),
                        });
                    }
                }
            }
        }
        Ok(lengths
            .into_iter()
            .rev()
            .map(|(length, _)| length)
            .collect())
    }

    /// The arrays of one element.
    pub(super) fn element(&self, position: &[usize]) -> Call<'a> {
        let variables = self.signature.aliases.iter().zip(&self.arguments);
        let arguments = variables
            .map(|(alias, argument)| argument.element(position, alias.category == Category::Param));
        Call {
            signature: self.signature,
            arguments: arguments.collect(),
            captured: self.captured.clone(),
            unknown: None,
        }
    }

    /// All elements as the driver takes them, for a reduction in orientation `O`.
    pub(super) fn problem<O: Orientation>(
        &self,
        extents: &Extents,
        options: &CallOptions,
    ) -> Result<Problem<'a>, Error> {
        let (rows, columns) = extents.rows_and_columns::<O>();
        let (call, shape) = (self.clone(), extents.clone());
        let visit = move |element, see: &mut dyn FnMut(&Problem<'_>)| {
            let call = call.element(&shape.position(element));
            see(&call.with_unknown::<O>(shape.sizes, None, None));
        };
        Ok(Problem {
            rows: Points::new(rows),
            columns: Points::new(columns),
            params: Vec::new(),
            formula: self.signature.formula,
            pattern: options.pattern(O::AXIS, extents.sizes)?,
            batch: Some(Batch {
                elements: extents.elements,
                visit: Arc::new(visit),
            }),
            symmetric: false,
            squares: None,
        })
    }
}

/// Batch dimensions broadcast with each other, if they can be.
fn broadcast_lengths(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut lengths = long.to_vec();
    let last = lengths.iter_mut().rev();
    for (length, &other) in last.zip(short.iter().rev()) {
        match (*length, other) {
            (1, _) => *length = other,
            (length, other) if length == other || other == 1 => {}
            _ => return None,
        }
    }
    Some(lengths)
}

/// The number of points on which the variables of a category agree; 1 if there are none.
fn common_count<'a>(counts: impl Iterator<Item = (&'a AliasInfo, usize)>) -> Result<usize, Error> {
    let mut first: Option<(&AliasInfo, usize)> = None;
    for (alias, found) in counts {
        match first {
            Some((other, expected)) if expected != found => {
                return Err(Error::Rows {
                    alias: alias.name.into(),
                    category: alias.category.keyword(),
                    other: other.name.into(),
                    expected,
                    found,
                });
            }
            Some(_) => {}
            None => first = Some((alias, found)),
        }
    }
    Ok(first.map_or(1, |(_, count)| count))
}

impl AliasInfo {
    /// The batch dimensions of an array of this shape, which has been checked.
    pub(super) fn leading<'s>(&self, shape: &'s [usize]) -> &'s [usize] {
        let own = if self.category == Category::Param {
            1
        } else {
            2
        };
        &shape[..shape.len().saturating_sub(own)]
    }

    /// Checks the dimensions of an array behind the batch dimensions, by themselves.
    fn check_last(&self, argument: &BatchArgument<'_>) -> Result<(), Error> {
        let found = argument.shape();
        let columns = found.last().copied();
        let (alias, expected) = (self.name.to_owned(), self.dim);
        if self.category == Category::Param {
            return match columns.unwrap_or(1) {
                found if found == expected => Ok(()),
                found => Err(Error::Parameter {
                    alias,
                    expected,
                    found,
                }),
            };
        }
        let (category, shape) = (self.category.keyword(), shape(found));
        if found.len() < 2 {
            return Err(Error::BatchDimensions {
                alias,
                category,
                expected,
                shape,
            });
        }
        if columns == Some(expected) {
            return Ok(());
        }
        Err(Error::Columns {
            alias,
            category,
            expected,
            shape,
        })
    }
}

/// Results of a batch, on their way from one element behind the other into an array with batch dimensions.
pub trait Stack {
    /// The result with batch dimensions in front.
    type Stacked;
    /// Puts the batch dimensions in front; each element has so many rows.
    #[doc(hidden)]
    fn stack(self, batch: &[usize], rows: usize) -> Result<Self::Stacked, Error>;
}

impl<A, D: Dimension> Stack for Array<A, D> {
    type Stacked = ArrayD<A>;

    fn stack(self, batch: &[usize], rows: usize) -> Result<ArrayD<A>, Error> {
        let mut stacked = batch.to_vec();
        stacked.push(rows);
        stacked.extend_from_slice(self.shape().get(1..).unwrap_or_default());
        let refused = Error::Shape {
            name: "the result".into(),
            expected: "an array that fits into memory".into(),
            shape: shape(&stacked),
        };
        self.into_shape_with_order(stacked).map_err(|_| refused)
    }
}

impl<A: Stack, B: Stack> Stack for (A, B) {
    type Stacked = (A::Stacked, B::Stacked);

    fn stack(self, batch: &[usize], rows: usize) -> Result<Self::Stacked, Error> {
        Ok((self.0.stack(batch, rows)?, self.1.stack(batch, rows)?))
    }
}

/// A reduction of a batch of arrays: what the `bind_batch` of `genred!` returns.
///
/// In front of their dimensions `(points, D)`, or `(D,)` for parameters, arrays have batch dimensions, any number of them. These are broadcast:
/// they are aligned at the last one, missing ones count as 1, and in each place all arrays have the same length or 1. The elements
/// of the batch are reduced independently and spread over the threads together, so that many small ones cost little more than their terms.
/// Indices are those within an element. The option [`ranges`](Self::ranges) holds for every element.
#[derive(Clone, Debug)]
#[must_use = "a reduction is computed by `run`"]
pub struct BoundBatch<'a, T, K, Op, O> {
    pub(super) call: BatchCall<'a>,
    pub(super) operation: Op,
    pub(super) options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel, Op: Operation<T>, O: Orientation> BoundBatch<'a, T, K, Op, O> {
    /// For expansions: the arguments in the order of the aliases, and the captured scalars.
    #[doc(hidden)]
    pub fn new(
        operation: Op,
        signature: &'static Signature,
        arguments: Vec<BatchArgument<'a>>,
        captured: Vec<f64>,
    ) -> Self {
        let call = BatchCall {
            signature,
            arguments,
            captured,
        };
        Self {
            call,
            operation,
            options: CallOptions::default(),
            kernel: PhantomData,
        }
    }

    option_methods!();

    /// The formula as compiled.
    pub fn formula(&self) -> &'static str {
        self.call.signature.formula
    }

    /// Computes the reduction of every element: what the [operation](super::operation) returns, with the batch dimensions in front of its
    /// own, so that an array of shape `(rows, components)` becomes an `ArrayD` of shape `(batch.., rows, components)`.
    ///
    /// # Errors
    /// As for [`BoundReduction::run`](super::BoundReduction::run), and [`Error::Batch`] if the batch dimensions of an array fit neither
    /// those of the others nor 1.
    pub fn run(&self) -> Result<<Op::Output as Stack>::Stacked, Error> {
        reduce::<T, K, O, Op>(&self.call, &self.options, self.operation)
    }
}

/// A reduction of all elements in orientation `O`.
fn reduce<T: Element, K: Kernel, O: Orientation, Op: Operation<T>>(
    call: &BatchCall<'_>,
    options: &CallOptions,
    operation: Op,
) -> Result<<Op::Output as Stack>::Stacked, Error> {
    let hardware = options.resolve()?;
    let extents = call.extents()?;
    let problem = call.problem::<O>(&extents, options)?;
    let (components, rows) = (call.signature.out_dim, problem.rows.count());
    let out = operation.evaluate::<O::Pairing<K>>(hardware, options, &problem, components)?;
    out.stack(&extents.batch, rows)
}
