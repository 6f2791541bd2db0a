//! Log determinants.

use super::block::Block;
use super::cholesky::Cholesky;
use super::estimate::{Estimate, EstimateError, EstimateOptions, Samples};
use super::lanczos::{Trouble, quadratures};
use super::operator::{LinearOperator, Precision};
use super::options::Precondition;
use super::precondition::LowRank;
use super::probes::{Probes, preconditioner};
use super::product::Matrix;
use super::report::{PreconditionerReport, Products};

/// The error of a quadrature that is small enough, as a part of the standard error that is asked for.
const QUADRATURE: f64 = 0.1;

/// `log det(alpha Id + K)`, and how it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogDet {
    /// The logarithm of the determinant.
    pub value: f64,
    /// The standard error of the mean over the probes; 0 where the value is exact.
    pub standard_error: f64,
    /// By how much the quadratures of the probes fell in the last quarter of their steps, on the mean: of the order of what the value is too large by
    /// because they ended at some depth. It is small against the standard error that is asked for, unless they ended at
    /// [`EstimateOptions::max_depth`]; then the value may be too large by many times as much, and only a better preconditioner or more steps help:
    /// see [`LogDet::converged`]. It is not part of the standard error. 0 where the value is exact.
    pub quadrature_error: f64,
    /// Whether the quadratures ended because they were good enough, and not at [`EstimateOptions::max_depth`].
    pub converged: bool,
    /// Whether the value comes from a Cholesky factorisation of the whole matrix.
    pub exact: bool,
    /// The number of probes.
    pub probes: usize,
    /// The largest number of Lanczos steps for a probe.
    pub depth: usize,
    /// The number of products of the operator with a block of probes.
    pub products: Products,
    /// The preconditioner, `None` if there was none or the value is exact.
    pub preconditioner: Option<PreconditionerReport>,
}

/// Computes `log det(alpha Id + K)` for a positive semidefinite operator `K`.
///
/// Up to [`EstimateOptions::exact_up_to`] rows it is exact, by a Cholesky factorisation in double precision. Beyond, it is estimated by
/// stochastic Lanczos quadrature with the preconditioner `P = F F' + mu Id`, a partial Cholesky factorisation of rank `r`:
///
/// ```text
/// log det A  =  log det P  +  trace log(P^-1/2 A P^-1/2),
/// ```
///
/// where the first term is known and the second is the mean of `w' log(..) w` over random probes `w`, uniformly distributed on the sphere of
/// radius `sqrt(n)`. Their standard deviation is about `sqrt(2)` times the Frobenius norm of the deviation of that logarithm from a multiple of the identity: the better the
/// preconditioner, the fewer probes; without one, on the order of `sqrt(n)`. Probes are added until the standard error is the one asked for, or there are
/// [`EstimateOptions::max_probes`]: look at [`LogDet::standard_error`], which is an estimate itself: of a few probes it is beyond four times too small in one case of
/// fifty.
///
/// Products are in the operator's working precision, as long as that shows curvatures of the size of `alpha`, and all else is in double precision. Results are the
/// same for any number of threads, if those of the operator are.
///
/// Where `alpha` is so small that the shift of the preconditioner exceeds it ([`LowRank::shift`]), rounding errors bias each eigenvalue's logarithm by up to a
/// hundredth, which no error tells.
///
/// # Errors
/// See [`EstimateError`]. An operator that couples its columns is refused.
///
/// # References
/// S. Ubaru, J. Chen, Y. Saad, *Fast estimation of tr(f(A)) via stochastic Lanczos quadrature*, SIAM J. Matrix Anal. Appl. 38 (2017).
/// J. Wenger, G. Pleiss, P. Hennig, J. P. Cunningham, J. R. Gardner, *Preconditioning for scalable Gaussian process hyperparameter optimization*, ICML
/// (2022).
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::solve::{EstimateOptions, log_det};
/// use ndarray::array;
///
/// let k = array![[2.0, 1.0], [1.0, 2.0]];
/// let found = log_det(&k, 1.0, &EstimateOptions::default())?;
/// assert!(found.exact && (found.value - 8.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), keops_runtime::solve::EstimateError>(())
/// ```
pub fn log_det<O: LinearOperator + ?Sized>(
    operator: &O,
    alpha: f64,
    options: &EstimateOptions<'_>,
) -> Result<LogDet, EstimateError> {
    let operator: &dyn LinearOperator = &operator;
    options.check(alpha)?;
    super::estimate::refuse_coupled(operator)?;
    if operator.len() <= options.exact_up_to {
        return Ok(LogDet::of_factor(&Cholesky::of_system(operator, alpha)?));
    }
    let preconditioner = preconditioner(operator, alpha, options)?;
    estimate(operator, alpha, preconditioner.as_ref(), options)
}

/// The estimate with this preconditioner.
pub(crate) fn estimate(
    operator: &dyn LinearOperator,
    alpha: f64,
    preconditioner: Option<&LowRank>,
    options: &EstimateOptions<'_>,
) -> Result<LogDet, EstimateError> {
    let n = operator.len();
    let target = options.target(n);
    let mut matrix = Matrix::new(operator, alpha);
    let mut precision = working_precision(operator);
    let mut probes = Probes::new(n, preconditioner, options);
    let (mut values, mut errors) = (Samples::default(), Samples::default());
    let mut deepest = 0;
    while probes.go_on(|| values.mean().standard_error <= target) {
        let (z, _) = probes.draw()?;
        let quadratures = loop {
            let inverse = preconditioner.map(|p| p as &dyn Precondition);
            let (tolerance, depth) = (QUADRATURE * target, options.max_depth);
            let z = Block::from_rows(z.ncols(), z.iter().copied().collect());
            match quadratures(&mut matrix, inverse, z, precision, tolerance, depth) {
                Ok(quadratures) => break quadratures,
                Err(Trouble::Fatal(error)) => return Err(error),
                Err(Trouble::Precision) => precision = Precision::Double,
            }
        };
        for quadrature in quadratures {
            values.push(quadrature.value);
            errors.push(quadrature.error);
            deepest = deepest.max(quadrature.depth);
        }
    }
    let Estimate {
        value,
        standard_error,
    } = values.mean();
    Ok(LogDet {
        value: preconditioner.map_or(0.0, LowRank::log_determinant) + value,
        standard_error,
        quadrature_error: errors.mean().value,
        converged: deepest < options.max_depth || errors.mean().value <= QUADRATURE * target,
        exact: false,
        probes: values.count(),
        depth: deepest,
        products: matrix.products,
        preconditioner: preconditioner.map(LowRank::report),
    })
}

/// What the precision of the first products is.
pub(crate) fn working_precision(operator: &dyn LinearOperator) -> Precision {
    if operator.working_roundoff() > f64::EPSILON / 2.0 {
        Precision::Working
    } else {
        Precision::Double
    }
}

impl LogDet {
    pub(crate) fn of_factor(factor: &Cholesky) -> Self {
        Self {
            value: factor.log_det(),
            standard_error: 0.0,
            quadrature_error: 0.0,
            converged: true,
            exact: true,
            probes: 0,
            depth: 0,
            products: Products::default(),
            preconditioner: None,
        }
    }
}
