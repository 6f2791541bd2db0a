//! Lanczos' method for blocks of random probes: quadratures `w' log(M) w` of the preconditioned matrix.
//!
//! For `A = alpha Id + K`, a preconditioner `P` and `M = P^-1/2 A P^-1/2`, whose logarithm has the trace `log det A - log det P`, a probe is a
//! vector `z = P^1/2 w` with `w` uniformly distributed on the sphere of radius `sqrt(n)`. Preconditioned conjugate gradients from the
//! residual `z` are Lanczos' method for `M` from `w`: their coefficients make up the tridiagonal matrix `T` of Gauss quadrature,
//!
//! ```text
//! w' log(M) w  ~  n e_1' log(T) e_1,
//! ```
//!
//! which is never below its limit and falls with every step. No root of `P` is needed, but for the probe. Vectors are not kept for
//! reorthogonalisation: what orthogonality is lost gives copies of eigenvalues that have converged already and share their weight, which a quadrature does not mind
//! (Greenbaum 1989; Chen, Trogdon and Ubaru 2022).

use super::block::{Block, column_sums};
use super::estimate::EstimateError;
use super::operator::Precision;
use super::options::Precondition;
use super::product::{Matrix, view, view_mut};
use super::report::Part;
use super::tridiagonal::quadrature;

/// The reduction of `r'P^-1 r`, below which nothing is left of a probe but rounding errors.
const EXHAUSTED: f64 = 1e-26;
/// The least number of steps between two looks at the quadratures.
const STRIDE: usize = 4;

/// What became of a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quadrature {
    /// `n e_1' log(T) e_1`.
    pub(super) value: f64,
    /// By how much it has fallen in the last quarter of the steps: as much as it would still fall, or more, once it converges geometrically.
    pub(super) error: f64,
    /// The number of steps.
    pub(super) depth: usize,
}

/// Why a run ended early.
pub(super) enum Trouble {
    /// Rounding errors of working precision hide the curvature: double precision is needed.
    Precision,
    /// An error that double precision does not mend.
    Fatal(EstimateError),
}

impl<E: Into<EstimateError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Fatal(error.into())
    }
}

struct Probe {
    index: usize,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    rz: f64,
    step: f64,
    beta: f64,
}

/// The quadratures of the probes `z`, each to an error of about `tolerance` or `depth` steps.
pub(super) fn quadratures(
    matrix: &mut Matrix<'_>,
    preconditioner: Option<&dyn Precondition>,
    z: Block,
    precision: Precision,
    tolerance: f64,
    depth: usize,
) -> Result<Vec<Quadrature>, Trouble> {
    let n = matrix.operator.len();
    let mut r = z;
    let mut y = r.clone();
    precondition(n, preconditioner, &r, &mut y)?;
    let size = squares(&r, &y)?;
    let mut probes: Vec<Probe> = size.into_iter().enumerate().map(Probe::new).collect();
    let mut done: Vec<Option<Quadrature>> = probes.iter().map(|_| None).collect();
    let mut p = y.clone();
    let mut ap = p.clone();
    let mut scale = 0.0_f64;
    let mut next_look = STRIDE;
    for k in 1..=depth {
        if probes.is_empty() {
            break;
        }
        ap.reshape_like(&p);
        let applied = matrix.apply(precision, &p, &mut ap);
        applied.map_err(|error| EstimateError::Apply {
            part: Part::Operator,
            error,
        })?;
        let sums = column_sums(&p, &ap, |p, ap| [p * ap, p * p, ap * ap]);
        for (probe, [pap, pp, apap]) in probes.iter_mut().zip(sums) {
            if !apap.is_finite() {
                return Err(non_finite(Part::Operator));
            }
            scale = scale.max((apap / pp).sqrt());
            check_curvature(matrix, precision, pap / pp, scale, pp, n)?;
            probe.advance(pap);
        }
        let steps: Vec<f64> = probes.iter().map(|probe| probe.step).collect();
        r.update(&ap, &steps, |r, ap, step| r - step * ap);
        y.reshape_like(&r);
        precondition(n, preconditioner, &r, &mut y)?;
        for (probe, rz) in probes.iter_mut().zip(squares(&r, &y)?) {
            probe.turn(rz);
        }
        let betas: Vec<f64> = probes.iter().map(|probe| probe.beta).collect();
        p.update(&y, &betas, |p, y, beta| y + beta * p);

        // A look costs the square of the number of steps, so that the distances grow with it.
        let (last, look) = (k == depth, k == next_look);
        if look {
            next_look = k + STRIDE.max(k / 6);
        }
        let mut keep = vec![true; probes.len()];
        for (probe, keep) in probes.iter().zip(&mut keep) {
            let exhausted = probe.rz <= EXHAUSTED * n as f64;
            if !(exhausted || last || look) {
                continue;
            }
            let quadrature = probe.quadrature(n, exhausted)?;
            if exhausted || last || quadrature.error <= tolerance {
                done[probe.index] = Some(quadrature);
                *keep = false;
            }
        }
        if keep.contains(&false) {
            let mut kept = keep.iter();
            probes.retain(|_| kept.next() == Some(&true));
            for block in [&mut r, &mut p] {
                block.retain_columns(&keep);
            }
        }
    }
    Ok(done.into_iter().flatten().collect())
}

impl Probe {
    fn new((index, rz): (usize, f64)) -> Self {
        Self {
            index,
            diagonal: Vec::new(),
            beside: Vec::new(),
            rz,
            step: f64::INFINITY,
            beta: 0.0,
        }
    }

    /// Takes note of `p'Ap`.
    fn advance(&mut self, pap: f64) {
        let carried = self.beta / self.step;
        self.step = self.rz / pap;
        self.diagonal.push(1.0 / self.step + carried);
    }

    /// Takes note of the next `r'P^-1 r`.
    fn turn(&mut self, rz: f64) {
        self.beta = rz / self.rz;
        self.rz = rz;
        self.beside.push(self.beta.sqrt() / self.step);
    }

    fn quadrature(&self, n: usize, exhausted: bool) -> Result<Quadrature, Trouble> {
        let depth = self.diagonal.len();
        let log = |depth: usize| {
            // Rounding errors may leave an eigenvalue that is not positive where the curvatures are.
            let log = |value: f64| value.max(f64::MIN_POSITIVE).ln();
            quadrature(&self.diagonal[..depth], &self.beside, log)
        };
        let (Some(value), Some(before)) = (log(depth), log((3 * depth / 4).max(1))) else {
            return Err(non_finite(Part::Operator));
        };
        Ok(Quadrature {
            value: n as f64 * value,
            error: if exhausted {
                0.0
            } else if depth < STRIDE {
                f64::INFINITY
            } else {
                n as f64 * (before - value).abs()
            },
            depth,
        })
    }
}

/// Refuses a curvature that proves that `K` is not positive semidefinite, or that is lost in rounding errors.
fn check_curvature(
    matrix: &Matrix<'_>,
    precision: Precision,
    curvature: f64,
    scale: f64,
    square: f64,
    n: usize,
) -> Result<(), Trouble> {
    if square == 0.0 {
        return Ok(());
    }
    let alpha = matrix.alpha;
    let rounding = matrix.operator.working_roundoff() * scale;
    match precision {
        // Rounding errors of the size of the smallest eigenvalues change their logarithms.
        Precision::Working
            if curvature < 0.5 * alpha || curvature <= 0.0 || rounding > 0.25 * alpha =>
        {
            Err(Trouble::Precision)
        }
        Precision::Double => {
            let slack = 8.0 * f64::EPSILON * (n as f64).sqrt() * scale;
            if curvature <= 0.0 || curvature < alpha - slack {
                return Err(EstimateError::NotPositiveDefinite { alpha, curvature }.into());
            }
            Ok(())
        }
        Precision::Working => Ok(()),
    }
}

/// `y = P^-1 r`.
fn precondition(
    n: usize,
    preconditioner: Option<&dyn Precondition>,
    r: &Block,
    y: &mut Block,
) -> Result<(), Trouble> {
    let Some(preconditioner) = preconditioner else {
        y.data_mut().copy_from_slice(r.data());
        return Ok(());
    };
    let applied = view(n, r).and_then(|r| preconditioner.apply(r, view_mut(n, y)?));
    Ok(applied.map_err(|error| EstimateError::Apply {
        part: Part::Preconditioner,
        error,
    })?)
}

/// `r'P^-1 r` for every probe.
fn squares(r: &Block, y: &Block) -> Result<Vec<f64>, Trouble> {
    let squares: Vec<f64> = column_sums(r, y, |r, y| [r * y])
        .into_iter()
        .map(|[rz]| rz)
        .collect();
    if squares.iter().all(|rz| rz.is_finite()) {
        // What rounding errors make negative is 0: the probe is exhausted.
        Ok(squares.into_iter().map(|rz| rz.max(0.0)).collect())
    } else {
        Err(non_finite(Part::Preconditioner))
    }
}

fn non_finite(part: Part) -> Trouble {
    Trouble::Fatal(EstimateError::NonFinite { part })
}
