//! Preconditioners made of entries of the matrix: partial Cholesky factorisations with pivots.
//!
//! `r` steps of Cholesky's method, with pivots chosen on the way, need the diagonal of `K` and `r` of its rows, and give `K = F F' + R` with
//! `F` of `r` columns and `R` positive semidefinite. The preconditioner is `P = F F' + alpha Id`. From
//!
//! ```text
//! P  <=  alpha Id + K  <=  P + |R| Id  <=  (1 + |R| / alpha) P
//! ```
//!
//! follows a bound of the condition number of the preconditioned matrix, `1 + |R| / alpha <= 1 + trace(R) / alpha`, whose right side is known
//! exactly: the diagonal of `R` is what the pivots are chosen by. Memory is that of `r` vectors, and work `n r` entries and `n r^2` operations.
//!
//! Pivots are drawn at random with probabilities proportional to the diagonal of the present residual (RPCholesky), in blocks with
//! rejection, so that nearly all work is in products of matrices; or, on request, the largest diagonal entry is taken each time, or the
//! pivots are given: with these as landmarks `F F'` is the Nystrom approximation of `K`.
//!
//! # References
//!
//! M. Diaz, E. N. Epperly, Z. Frangella, J. A. Tropp, R. J. Webber, *Robust, randomized preconditioning for kernel ridge regression*,
//! arXiv:2304.12465.
//! E. N. Epperly, J. A. Tropp, R. J. Webber, *Embrace rejection: kernel matrix approximation by accelerated randomly pivoted Cholesky*,
//! arXiv:2410.03969 (2024).

mod factor;
mod jacobi;
mod low_rank;
mod model;
mod on_device;
pub(super) mod random;
mod search;
#[cfg(test)]
mod tests;

pub(super) use self::jacobi::Jacobi;
pub(super) use self::low_rank::Found;
pub use self::low_rank::LowRank;
pub(super) use self::on_device::OnDevice;
pub(super) use self::search::{Choice, Request};
