//! A reduction of a formula with its arrays.

use super::{Call, FactoredSum, Operation, Orientation, reduction_source};
use crate::Error;
use crate::input::{Argument, Element};
use crate::kernel::Kernel;
use crate::options::{CallOptions, option_methods};
use crate::signature::Signature;
use core::marker::PhantomData;

/// A reduction `out_i = Red_j F(i, j)`, or over `i`, with its arrays: what the `bind` of `genred!` returns.
///
/// Nothing is computed before [`run`](Self::run).
#[derive(Clone, Debug)]
#[must_use = "a reduction is computed by `run`"]
pub struct BoundReduction<'a, T, K, Op, O> {
    pub(super) call: Call<'a>,
    pub(super) operation: Op,
    pub(super) options: CallOptions,
    kernel: PhantomData<(T, K, O)>,
}

impl<'a, T: Element, K: Kernel, Op: Operation<T>, O: Orientation> BoundReduction<'a, T, K, Op, O> {
    /// For expansions: the arguments in the order of the aliases, and the captured scalars.
    #[doc(hidden)]
    pub fn new(
        operation: Op,
        signature: &'static Signature,
        arguments: Vec<Argument<'a>>,
        captured: Vec<f64>,
    ) -> Self {
        let call = Call {
            signature,
            arguments,
            captured,
            unknown: None,
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

    /// The complete source of the kernel for CUDA. It needs no headers.
    pub fn cuda_source(&self) -> String {
        let signature = self.call.signature;
        reduction_source::<T, K, Op, O>(signature, self.operation, &self.options)
    }

    /// Computes the reduction. What it returns is said at the [operation](super::operation): for sums and most others an
    /// array of shape `(rows, components)`.
    ///
    /// # Errors
    /// If the shape of an array does not fit its variable ([`Error::Columns`], [`Error::FlatLength`], [`Error::Rows`],
    /// [`Error::Parameter`]), the ranges do not fit the points ([`Error::Ranges`]), an option asks for what this machine or this version
    /// lacks ([`Error::Backend`], [`Error::InstructionSet`], [`Error::DeviceMemory`]), or the result is larger than any memory ([`Error::Shape`]).
    pub fn run(&self) -> Result<Op::Output, Error> {
        let hardware = self.call.resolve(&self.options)?;
        let factored = FactoredSum {
            call: &self.call.reborrow(),
            options: &self.options,
            hardware,
            resident: None,
            element: PhantomData,
        };
        if let Some(sum) = self.operation.of_factored::<K>(&factored)? {
            return Ok(sum);
        }
        let problem = self.call.problem::<O>(&self.options)?;
        let components = self.call.signature.out_dim;
        self.operation
            .evaluate::<O::Pairing<K>>(hardware, &self.options, &problem, components)
    }
}
