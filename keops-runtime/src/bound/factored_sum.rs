//! Sums `sum_j k(x_i, y_j) b_j` by their kernel.

use super::product::{FEWEST_MIRRORED, goes_wide};
use super::{Axis, Call, Orientation};
use crate::Error;
use crate::cpu::{MirrorCode, Points, Problem, ValuesCode, Weighted, mirrored, wide};
use crate::cuda::recipe::{Adding, Evaluation, Reduction, Type};
use crate::input::{Argument, Element};
use crate::kernel::Kernel;
use crate::memory::filled;
use crate::options::{CallOptions, Hardware};
use crate::reduce::Summation;
use core::marker::PhantomData;
use ndarray::{Array2, Ix2};

/// Runs a reduction whose result stays on a device.
type Resident<'a> = dyn Fn(&Evaluation, &Problem<'_>, Reduction) -> Result<(), Error> + 'a;

/// A sum whose formula is, as the macro has found, a scalar kernel times one of the variables. Where the kernel is symmetric and the points are the
/// same on both sides, each value of the kernel is computed once and used twice; where the variable has many components, it is used for all of them.
pub struct FactoredSum<'a, T> {
    pub(super) call: &'a Call<'a>,
    pub(super) options: &'a CallOptions,
    pub(super) hardware: Hardware,
    /// What runs the reduction where its result stays on a device, in place of the array that is returned.
    pub(super) resident: Option<&'a Resident<'a>>,
    pub(super) element: PhantomData<T>,
}

impl<T: Element> FactoredSum<'_, T> {
    /// The sum by the kernel `K`, which multiplies the variable at position `unknown`, of dimension `W`; `None` where all values have to be computed.
    ///
    /// # Errors
    /// If the arrays do not fit their variables.
    #[doc(hidden)]
    pub fn run<K: Kernel, O: Orientation, const W: usize>(
        &self,
        unknown: usize,
    ) -> Result<Option<Array2<T>>, Error> {
        let call = Call {
            unknown: Some(unknown),
            ..self.call.reborrow()
        };
        let sizes = call.sizes()?;
        let summation = Summation::new::<T::Compute>(self.options);
        let applies = sizes.i == sizes.j
            && sizes.i >= FEWEST_MIRRORED
            && summation.is_blocks()
            && self.options.ranges.is_none()
            && call.has_same_points(K::SYMMETRIC);
        // The kernel is symmetric, so that the orientation makes no difference.
        let mut problem = call.problem::<Axis<1>>(self.options)?;
        type Terms<K> = <Axis<1> as Orientation>::Pairing<K>;
        let Argument::Points(weights) = &self.call.arguments[unknown] else {
            return Ok(None);
        };
        if !applies {
            return Ok(None);
        }
        problem.symmetric = true;
        let points = problem.reborrow();
        let mut problem = problem.reborrow();
        problem.columns.push(weights.view(), W);
        let adding = Adding::new(self.options, Type::of::<T::Compute>());
        let terms = Evaluation::of::<Weighted<Terms<K>, W>, T::Compute>();
        if let Some(run) = self.resident {
            run(&terms, &problem, Reduction::Sum(adding))?;
            return Ok(Some(Array2::from_elem((0, W), T::from_f64(0.0))));
        }
        let mut out = filled(Ix2(sizes.i, W), T::from_f64(0.0))?;
        let done = self.hardware.on_device(&problem, K::COST, &mut |device| {
            device.rows(&terms, &problem, Reduction::Sum(adding), out.view_mut())
        })?;
        if done {
            return Ok(Some(out));
        }
        let isa = self.hardware.isa;
        let code = const { &MirrorCode::<T::Compute>::of::<Terms<K>, W>() };
        let mut problem = points;
        problem.rows.push(weights.view(), W);
        problem.columns.push(weights.view(), W);
        let totals = mirrored(code, isa, &problem, summation);
        T::round_rows(&totals, W, out.view_mut());
        Ok(Some(out))
    }

    /// The sum by the kernel `K`, which multiplies the variable at position `unknown`, of `width` components, from values that are stored for a few points;
    /// `None` where options or hardware want another way.
    ///
    /// # Errors
    /// If the arrays do not fit their variables.
    #[doc(hidden)]
    pub fn run_wide<K: Kernel, O: Orientation>(
        &self,
        unknown: usize,
        width: usize,
    ) -> Result<Option<Array2<T>>, Error> {
        let call = Call {
            unknown: Some(unknown),
            ..self.call.reborrow()
        };
        let problem = call.problem::<O>(self.options)?;
        let Argument::Points(weights) = &self.call.arguments[unknown] else {
            return Ok(None);
        };
        let isa = self.hardware.isa;
        if !goes_wide::<T::Compute>(self.hardware, self.options, &problem, K::COST) {
            return Ok(None);
        }
        let code = const { &ValuesCode::<T::Compute>::of::<O::Pairing<K>>() };
        let mut out = filled(Ix2(problem.rows.count(), width), T::from_f64(0.0))?;
        let mut vectors = Points::new(problem.columns.count());
        vectors.push(weights.view(), width);
        let summation = Summation::new::<T::Compute>(self.options);
        wide(code, isa, &problem, &vectors, summation, &mut |job| {
            T::take_rows(job, out.view_mut());
        })?;
        Ok(Some(out))
    }
}
