//! A library that embeds a kernel of its own: it names the kernel in its types, documents it, and hands `keops_solve` on.
//!
//! Its lints are strict and most are forbidden, which no `allow` overrules, so that an expansion that is not clean does not compile.

#![forbid(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    missing_copy_implementations,
    elided_lifetimes_in_paths,
    let_underscore_drop,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::unwrap_used,
    clippy::indexing_slicing
)]
#![deny(forbidden_lint_groups, warnings)]

pub mod kernels;

pub use keops_solve;

use keops_solve::ndarray::Array2;
use keops_solve::{SolveError, genred, kernel_solve, lazy};

kernel_solve!(
    /// Gaussian ridge regression in the plane.
    pub GaussianSolve: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1)
);

genred!(
    /// Sums of Gaussians in the plane.
    pub(crate) GaussianSum: |x: Vi(2), y: Vj(2), b: Vj(1), g: Pm(1)| (-g * x.sqdist(y)).exp() * b,
    axis = 1
);

lazy!(
    /// The matrix of an anisotropic Laplacian kernel. The name of its parameter is a matrix's.
    pub Laplacian: "Exp(-Sqrt(WeightedSqNorm(A, x-y)))", x = Vi(2), y = Vj(2), A = Pm(4)
);

/// A smooth function through scattered values.
#[derive(Clone, Debug)]
pub struct Interpolant {
    kernel: GaussianSolve,
    points: Array2<f64>,
    weights: Array2<f64>,
    g: f64,
}

impl Interpolant {
    /// Fits values at points: solves `(alpha Id + K) a = values` with `K_ij = exp(-g |x_i - x_j|^2)`.
    ///
    /// # Errors
    /// If the system is not solved to a root mean square residual of 1e-9.
    pub fn fit(
        points: Array2<f64>,
        values: &Array2<f64>,
        g: f64,
        alpha: f64,
    ) -> Result<Self, Box<SolveError<f64>>> {
        let kernel = GaussianSolve;
        let weights = kernel
            .bind(&points, &points, values, g)
            .alpha(alpha)
            .eps(1e-9)
            .solve()
            .map_err(Box::new)?
            .values;
        Ok(Self {
            kernel,
            points,
            weights,
            g,
        })
    }

    /// The values of the function at other points.
    ///
    /// # Errors
    /// If the points are not in the plane.
    pub fn evaluate(&self, at: &Array2<f64>) -> Result<Array2<f64>, keops_solve::Error> {
        GaussianSum
            .bind(at, &self.points, &self.weights, self.g)
            .run()
    }

    /// The kernel's formula.
    #[must_use]
    pub fn formula(&self) -> &'static str {
        self.kernel.formula()
    }
}
