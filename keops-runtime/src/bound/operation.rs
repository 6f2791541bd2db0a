//! The reductions that a formula can be given, and the shapes of their results.
//!
//! A reduction runs over all `j` and gives a row for each `i`, or the reverse. The names are those of KeOps. In what
//! follows `F(i, j)` is a formula of any number of components, and a reduction acts on each of them by itself;
//! the weighted ones take a scalar formula `f(i, j)` and weights `g(i, j)` of any number of components.
//!
//! Results never depend on the number of threads.

use super::{FactoredSum, Stack};
use crate::Error;
use crate::cpu::{self, Pairing, Problem, TermsCode};
use crate::cuda::recipe::{self as cuda, Adding, Outcome, Type};
use crate::input::Element;
use crate::kernel::Kernel;
use crate::memory::filled;
use crate::options::{CallOptions, Hardware};
use crate::reduce::{self, Candidate, Extreme, Reduction, Smallest, Summation};
use crate::simd::Real;
use ndarray::{Array2, Array3, ArrayViewMut2, Axis, Ix2, Ix3};

/// A reduction as `genred!` names it.
pub trait Operation<T: Element>: Copy + Send + Sync + 'static {
    /// What it returns.
    type Output: Stack;
    /// The reduction of a kernel for CUDA, with terms of type `t`.
    #[doc(hidden)]
    fn on_device(self, options: &CallOptions, t: Type) -> cuda::Reduction;
    /// Reduces the terms of `P`, each of `components` components.
    #[doc(hidden)]
    fn evaluate<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<Self::Output, Error>;
    /// The result, if it is one that needs only half of the pairs.
    #[doc(hidden)]
    fn of_factored<K: Kernel>(self, _: &FactoredSum<'_, T>) -> Result<Option<Self::Output>, Error> {
        Ok(None)
    }
}

/// The first `width` totals of every row, evaluating in `C`.
fn rows<P: Pairing, C: Real, T: Element, R: Reduction<Total = f64>>(
    hardware: Hardware,
    problem: &Problem<'_>,
    reduction: R,
    kernel: cuda::Reduction,
    width: usize,
) -> Result<Array2<T>, Error> {
    let mut out = filled(Ix2(problem.result_rows(), width), T::from_f64(0.0))?;
    let terms = const { &TermsCode::<C, R>::of_any_rows::<P>() };
    write_rows(terms, hardware, problem, reduction, kernel, out.view_mut())?;
    Ok(out)
}

/// Writes the first totals of every row, as many as there are columns.
fn write_rows<C: Real, T: Element, R: Reduction<Total = f64>>(
    terms: &TermsCode<C, R>,
    hardware: Hardware,
    problem: &Problem<'_>,
    reduction: R,
    kernel: cuda::Reduction,
    mut out: ArrayViewMut2<'_, T>,
) -> Result<(), Error> {
    let done = hardware.on_device(problem, terms.cost, &mut |device| {
        device.rows(&terms.evaluation, problem, kernel, out.view_mut())
    })?;
    if !done {
        cpu::reduce(terms, hardware.isa, problem, reduction, &mut |job| {
            T::take_rows(job, out.view_mut());
        })?;
    }
    Ok(())
}

/// The first `k` candidates of every row and component, in arrays of shape `(rows, k, components)`.
fn candidates<T: Element, R: Reduction<Total = Candidate>>(
    terms: &TermsCode<T::Compute, R>,
    hardware: Hardware,
    problem: &Problem<'_>,
    reduction: R,
    kernel: cuda::Reduction,
    k: usize,
    components: usize,
) -> Result<(Array3<T>, Array3<usize>), Error> {
    let shape = Ix3(problem.result_rows(), k, components);
    let mut values = filled(shape, T::from_f64(0.0))?;
    let mut indices = filled(shape, 0)?;
    let done = hardware.on_device(problem, terms.cost, &mut |device| {
        device.candidates(
            &terms.evaluation,
            problem,
            kernel,
            &mut values,
            &mut indices,
        )
    })?;
    if !done {
        cpu::reduce(terms, hardware.isa, problem, reduction, &mut |job| {
            T::take_candidates(job, &mut values, &mut indices);
        })?;
    }
    Ok((values, indices))
}

/// Writes `sum_j F(i, j)` to `out`, evaluating in `C`. Components beyond the columns of `out` are dropped.
pub(crate) fn sum<C: Real, T: Element>(
    terms: &TermsCode<C, reduce::Sum>,
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    out: ArrayViewMut2<'_, T>,
) -> Result<(), Error> {
    let kernel = cuda::Reduction::Sum(Adding::new(options, Type::of::<C>()));
    let reduction = reduce::Sum(Summation::new::<C>(options));
    write_rows(terms, hardware, problem, reduction, kernel, out)
}

/// `sum_j F(i, j)`; 0 where there is no `j`. An array of shape `(rows, components)`.
///
/// The options [`Accumulate`](crate::Accumulate) and [`SumScheme`](crate::SumScheme) choose how terms are added.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

impl<T: Element> Operation<T> for Sum {
    type Output = Array2<T>;

    fn on_device(self, options: &CallOptions, t: Type) -> cuda::Reduction {
        cuda::Reduction::Sum(Adding::new(options, t))
    }

    fn evaluate<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<Array2<T>, Error> {
        let reduction = reduce::Sum(Summation::new::<T::Compute>(options));
        let kernel = Operation::<T>::on_device(self, options, Type::of::<T::Compute>());
        rows::<P, T::Compute, T, _>(hardware, problem, reduction, kernel, components)
    }

    fn of_factored<K: Kernel>(self, sum: &FactoredSum<'_, T>) -> Result<Option<Array2<T>>, Error> {
        K::factored_sum(sum)
    }
}

/// `log sum_j exp(F(i, j))`, without overflow or underflow. An array of shape `(rows, components)`.
///
/// An exponent of -inf adds nothing, as in the limit, +inf gives +inf, and NaN gives NaN; a sum of nothing, or of -inf
/// only, is -inf. The options [`Accumulate`](crate::Accumulate) and [`SumScheme`](crate::SumScheme) choose how the exponentials
/// are added, here and for the weighted reductions.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSumExp;

impl<T: Element> Operation<T> for LogSumExp {
    type Output = Array2<T>;

    fn on_device(self, options: &CallOptions, t: Type) -> cuda::Reduction {
        cuda::Reduction::LogSumExp(Adding::new(options, t), Outcome::Logarithms)
    }

    fn evaluate<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<Array2<T>, Error> {
        log_sums::<P, T::Compute, T>(hardware, options, problem, components)
    }
}

/// `log sum_j exp(f(i, j)) g(i, j)`, without overflow or underflow: [`LogSumExp`] with weights. An array of shape
/// `(rows, components of g)`.
///
/// It is -inf where the sum is 0, as that of nothing is, and NaN where it is negative. A term whose weights are all 0 does not count, however large its
/// exponent is.
#[derive(Clone, Copy, Debug, Default)]
pub struct WeightedLogSumExp;

impl<T: Element> Operation<T> for WeightedLogSumExp {
    type Output = Array2<T>;

    fn on_device(self, options: &CallOptions, t: Type) -> cuda::Reduction {
        cuda::Reduction::LogSumExp(Adding::new(options, t), Outcome::WeightedLogarithms)
    }

    fn evaluate<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<Array2<T>, Error> {
        weighted_log_sums::<P, T::Compute, T>(hardware, options, problem, components)
    }
}

/// `sum_j exp(f(i, j)) g(i, j) / sum_j exp(f(i, j))`, without overflow or underflow: the mean of `g`, weighted by the
/// softmax of `f`. An array of shape `(rows, components of g)`.
///
/// The mean of nothing, or with exponents of -inf only, is 0/0, which is NaN.
#[derive(Clone, Copy, Debug, Default)]
pub struct SumSoftMaxWeight;

impl<T: Element> Operation<T> for SumSoftMaxWeight {
    type Output = Array2<T>;

    fn on_device(self, options: &CallOptions, t: Type) -> cuda::Reduction {
        cuda::Reduction::LogSumExp(Adding::new(options, t), Outcome::Means)
    }

    fn evaluate<P: Pairing>(
        self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        components: usize,
    ) -> Result<Array2<T>, Error> {
        let width = components.saturating_sub(1);
        means::<P, T::Compute, T>(hardware, options, problem, Outcome::Means, width)
    }
}

/// [`LogSumExp`], evaluating in `C`.
pub(super) fn log_sums<P: Pairing, C: Real, T: Element>(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    components: usize,
) -> Result<Array2<T>, Error> {
    let reduction = reduce::LogSumExp::of_components(Summation::new::<C>(options), components);
    let adding = Adding::new(options, Type::of::<C>());
    let kernel = cuda::Reduction::LogSumExp(adding, Outcome::Logarithms);
    rows::<P, C, T, _>(hardware, problem, reduction, kernel, components)
}

/// [`WeightedLogSumExp`], evaluating in `C`.
pub(super) fn weighted_log_sums<P: Pairing, C: Real, T: Element>(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    components: usize,
) -> Result<Array2<T>, Error> {
    let reduction = reduce::LogSumExp::weighted(Summation::new::<C>(options));
    let adding = Adding::new(options, Type::of::<C>());
    let kernel = cuda::Reduction::LogSumExp(adding, Outcome::WeightedLogarithms);
    let width = components.saturating_sub(1);
    rows::<P, C, T, _>(hardware, problem, reduction, kernel, width)
}

/// [`SumSoftMaxWeight`], evaluating in `C`, and, if that is the outcome, in one more column `log sum_j exp(f(i, j))`.
fn means<P: Pairing, C: Real, T: Element>(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    outcome: Outcome,
    width: usize,
) -> Result<Array2<T>, Error> {
    let reduction = reduce::LogSumExp::mean(Summation::new::<C>(options));
    let kernel = cuda::Reduction::LogSumExp(Adding::new(options, Type::of::<C>()), outcome);
    rows::<P, C, T, _>(hardware, problem, reduction, kernel, width)
}

/// [`SumSoftMaxWeight`] and, in one more column, `log sum_j exp(f(i, j))`, without rounding them.
pub(super) fn means_and_log_sums<P: Pairing, C: Real>(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    components: usize,
) -> Result<Array2<f64>, Error> {
    means::<P, C, f64>(
        hardware,
        options,
        problem,
        Outcome::MeansAndLogarithm,
        components,
    )
}

/// Reductions to one value of each component, and its index.
macro_rules! extremes {
    ($(
        $(#[$doc:meta])*
        $name:ident: $greatest:literal, $indexed:literal => $output:ty, |$values:ident, $indices:ident| $result:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl<T: Element> Operation<T> for $name {
            type Output = $output;

            fn on_device(self, _: &CallOptions, _: Type) -> cuda::Reduction {
                cuda::Reduction::Extreme { greatest: $greatest, indexed: $indexed }
            }

            fn evaluate<P: Pairing>(
                self,
                hardware: Hardware,
                options: &CallOptions,
                problem: &Problem<'_>,
                components: usize,
            ) -> Result<Self::Output, Error> {
                let reduction = Extreme::<$greatest, $indexed>;
                let kernel = Operation::<T>::on_device(self, options, Type::of::<T::Compute>());
                let terms = const { &TermsCode::<T::Compute, Extreme<$greatest, $indexed>>::of_any_rows::<P>() };
                let (values, indices) = candidates::<T, _>(terms, hardware, problem, reduction, kernel, 1, components)?;
                let ($values, $indices) = (values.remove_axis(Axis(1)), indices.remove_axis(Axis(1)));
                Ok($result)
            }
        }
    )*};
}
extremes! {
    /// `min_j F(i, j)`, of what is not NaN; +inf where there is nothing. An array of shape `(rows, components)`.
    Min: false, false => Array2<T>, |values, _indices| values;
    /// `max_j F(i, j)`, of what is not NaN; -inf where there is nothing. An array of shape `(rows, components)`.
    Max: true, false => Array2<T>, |values, _indices| values;
    /// The lowest `j` at which `F(i, j)` is smallest, of what is not NaN; 0 where nothing is below +inf. An array of shape
    /// `(rows, components)`.
    ArgMin: false, true => Array2<usize>, |_values, indices| indices;
    /// The lowest `j` at which `F(i, j)` is greatest, of what is not NaN; 0 where nothing is above -inf. An array of shape
    /// `(rows, components)`.
    ArgMax: true, true => Array2<usize>, |_values, indices| indices;
    /// [`Min`] and [`ArgMin`], in one pass.
    MinArgMin: false, true => (Array2<T>, Array2<usize>), |values, indices| (values, indices);
    /// [`Max`] and [`ArgMax`], in one pass.
    MaxArgMax: true, true => (Array2<T>, Array2<usize>), |values, indices| (values, indices);
}

/// The number of values that are kept.
///
/// # Errors
/// [`Error::Option`] if it is 0.
pub(super) fn at_least_one(k: usize) -> Result<usize, Error> {
    if k == 0 {
        return Err(Error::Option {
            option: "k",
            expected: "a number of values of at least 1",
            found: "0".to_owned(),
        });
    }
    Ok(k)
}

/// Reductions to several values of each component, and their indices.
macro_rules! smallest {
    ($(
        $(#[$doc:meta])*
        $name:ident => $output:ty, |$values:ident, $indices:ident| $result:expr;
    )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name(
            /// How many values, at least 1.
            pub usize,
        );

        impl<T: Element> Operation<T> for $name {
            type Output = $output;

            fn on_device(self, _: &CallOptions, _: Type) -> cuda::Reduction {
                cuda::Reduction::Smallest
            }

            fn evaluate<P: Pairing>(
                self,
                hardware: Hardware,
                options: &CallOptions,
                problem: &Problem<'_>,
                components: usize,
            ) -> Result<Self::Output, Error> {
                at_least_one(self.0)?;
                let reduction = Smallest::new(self.0, problem.most_columns());
                let kernel = Operation::<T>::on_device(self, options, Type::of::<T::Compute>());
                let terms = const { &TermsCode::<T::Compute, Smallest>::of_any_rows::<P>() };
                let ($values, $indices) = candidates::<T, _>(terms, hardware, problem, reduction, kernel, self.0, components)?;
                Ok($result)
            }
        }
    )*};
}
smallest! {
    /// The `k` smallest values of `F(i, j)` over `j`, in ascending order; NaN is skipped, and +inf fills up where fewer
    /// than `k` values are below it. An array of shape `(rows, k, components)`.
    ///
    /// While it is computed, a row takes memory for `2 k` values and indices.
    KMin => Array3<T>, |values, _indices| values;
    /// The indices `j` of the `k` smallest values of `F(i, j)`, in the order of the values and for equal values in
    /// ascending order; 0 fills up as +inf does in [`KMin`]. An array of shape `(rows, k, components)`.
    ArgKMin => Array3<usize>, |_values, indices| indices;
    /// [`KMin`] and [`ArgKMin`], in one pass.
    KMinArgKMin => (Array3<T>, Array3<usize>), |values, indices| (values, indices);
}
