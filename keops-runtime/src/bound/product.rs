//! Products of the matrix of a scalar kernel with vectors.
//!
//! What is compiled for a formula stands in a table, [`ProductCode`]; the rest is compiled once.

use super::operation::sum;
use crate::Error;
use crate::cpu::{
    MirrorCode, Pairing, Points, Problem, TermsCode, ValuesCode, Weighted, mirrored, wide,
};
use crate::cuda::recipe::Evaluation;
use crate::input::Element;
use crate::options::{CallOptions, Hardware};
use crate::reduce::{Sum, Summation};
use crate::simd::Real;
use ndarray::{ArrayView2, ArrayViewMut2, s};

/// The number of vectors that are multiplied together where they are several, filled up with zeros: by a symmetric matrix, on a device, or where the summation does not
/// allow to multiply as matrices are.
pub(super) const SEVERAL: usize = 4;

/// Below so many points it is as fast to compute every entry.
pub(super) const FEWEST_MIRRORED: usize = 1024;

/// Products of a scalar kernel, evaluated in `C`.
pub(crate) struct ProductCode<C: 'static> {
    /// Instructions of a pair.
    cost: usize,
    /// How many vectors are multiplied together where there is one and where there are several.
    together: [usize; 2],
    /// The products with so many.
    sums: [TermsCode<C, Sum>; 2],
    /// The same for a kernel that is symmetric.
    mirrored: Option<[MirrorCode<C>; 2]>,
    /// The values of the kernel, where there can be more vectors than are multiplied together.
    values: Option<ValuesCode<C>>,
}

impl<C: Real> ProductCode<C> {
    /// Products of `P`. `W` vectors are multiplied together; 0 leaves the number open.
    pub(crate) const fn of<P: Pairing, const W: usize>(symmetric: bool) -> Self {
        let open = W == 0;
        Self {
            cost: P::COST,
            together: if open { [1, SEVERAL] } else { [W; 2] },
            sums: if open {
                [
                    TermsCode::of_any_rows::<Weighted<P, 1>>(),
                    TermsCode::of_any_rows::<Weighted<P, SEVERAL>>(),
                ]
            } else {
                [
                    TermsCode::of::<Weighted<P, W>>(),
                    TermsCode::of::<Weighted<P, W>>(),
                ]
            },
            mirrored: if !symmetric {
                None
            } else if open {
                Some([MirrorCode::of::<P, 1>(), MirrorCode::of::<P, SEVERAL>()])
            } else {
                Some([MirrorCode::of::<P, W>(), MirrorCode::of::<P, W>()])
            },
            // Those of a system are cut into equal parts, which are not smaller than this.
            values: if open || W > SEVERAL {
                Some(ValuesCode::of::<P>())
            } else {
                None
            },
        }
    }

    /// The terms of the products for a device.
    pub(super) const fn on_device(&self) -> [Evaluation; 2] {
        [self.sums[0].evaluation, self.sums[1].evaluation]
    }

    /// Writes `sum_j k(i, j) v_j` to `out`, of shape `(rows, vectors)`. `weights` has shape `(columns, vectors)`.
    pub(super) fn product<V: Element, T: Element>(
        &self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        weights: ArrayView2<'_, V>,
        out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        if let Some(values) = &self.values
            && weights.ncols() > self.together[0]
            && goes_wide::<C>(hardware, options, problem, self.cost)
        {
            return wide_product(values, hardware, options, problem, weights, out);
        }
        let several = usize::from(weights.ncols() != 1);
        let (terms, width) = (&self.sums[several], self.together[several]);
        for_each_block(problem, weights, out, width, false, &mut |problem, out| {
            sum(terms, hardware, options, problem, out)
        })
    }

    /// [`product`](Self::product) for a kernel that is symmetric for the points of `problem`, which takes about half the time for many points.
    pub(super) fn symmetric_product<V: Element, T: Element>(
        &self,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        weights: ArrayView2<'_, V>,
        out: ArrayViewMut2<'_, T>,
    ) -> Result<(), Error> {
        let summation = Summation::new::<C>(options);
        let many = problem.rows.count() >= FEWEST_MIRRORED;
        let pays = many && !hardware.has_device(problem, self.cost);
        let applies = pays && summation.is_blocks() && problem.pattern.is_none();
        let Some(mirrored_by) = self.mirrored.as_ref().filter(|_| applies) else {
            let mut problem = problem.reborrow();
            problem.symmetric = problem.pattern.is_none();
            return self.product(hardware, options, &problem, weights, out);
        };
        if self.values.is_some() && weights.ncols() > self.together[0].max(SEVERAL) {
            return self.product(hardware, options, problem, weights, out);
        }
        let several = usize::from(weights.ncols() != 1);
        let code = &mirrored_by[several];
        let width = code.vectors;
        for_each_block(problem, weights, out, width, true, &mut |problem, out| {
            let totals = mirrored(code, hardware.isa, problem, summation);
            T::round_rows(&totals, width, out);
            Ok(())
        })
    }
}

/// Products with vectors in double precision, for code that does not know in which type the kernel is evaluated.
pub(super) trait Products: Sync {
    /// The product, or where `symmetric` that of a kernel that is so for the points of the problem.
    fn multiply(
        &self,
        symmetric: bool,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), Error>;
    /// How many vectors are multiplied together at most.
    fn most_together(&self) -> usize;
}

impl<C: Real> Products for ProductCode<C> {
    fn multiply(
        &self,
        symmetric: bool,
        hardware: Hardware,
        options: &CallOptions,
        problem: &Problem<'_>,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), Error> {
        if symmetric {
            self.symmetric_product(hardware, options, problem, v, out)
        } else {
            self.product(hardware, options, problem, v, out)
        }
    }

    fn most_together(&self) -> usize {
        self.together[1]
    }
}

/// Whether products with several vectors compute values once for them all.
pub(super) fn goes_wide<C: Real>(
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    cost: usize,
) -> bool {
    Summation::new::<C>(options).is_blocks() && !hardware.has_device(problem, cost)
}

/// A product with all vectors at once.
fn wide_product<C: Real, V: Element, T: Element>(
    values: &ValuesCode<C>,
    hardware: Hardware,
    options: &CallOptions,
    problem: &Problem<'_>,
    weights: ArrayView2<'_, V>,
    mut out: ArrayViewMut2<'_, T>,
) -> Result<(), Error> {
    let mut vectors = Points::new(problem.columns.count());
    vectors.push(V::erase(weights), out.ncols());
    let summation = Summation::new::<C>(options);
    wide(
        values,
        hardware.isa,
        problem,
        &vectors,
        summation,
        &mut |job| {
            T::take_rows(job, out.view_mut());
        },
    )
}

type Multiply<'a, T> = dyn FnMut(&Problem<'_>, ArrayViewMut2<'_, T>) -> Result<(), Error> + 'a;

/// Calls `multiply` for blocks of `width` vectors: with the problem to whose columns, and for a mirrored product to whose rows, these have been added as
/// the last array, and with their part of `out`.
fn for_each_block<V: Element, T: Element>(
    problem: &Problem<'_>,
    weights: ArrayView2<'_, V>,
    mut out: ArrayViewMut2<'_, T>,
    width: usize,
    mirrored: bool,
    multiply: &mut Multiply<'_, T>,
) -> Result<(), Error> {
    let vectors = if out.is_empty() { 0 } else { out.ncols() };
    for from in (0..vectors).step_by(width) {
        let to = vectors.min(from + width);
        let block = weights.slice(s![.., from..to]);
        let mut problem = problem.reborrow();
        if mirrored {
            problem.rows.push(V::erase(block.reborrow()), width);
        }
        problem.columns.push(V::erase(block), width);
        multiply(&problem, out.slice_mut(s![.., from..to]))?;
    }
    Ok(())
}
