//! Preconditioners where the vectors of a solve are.

use super::super::block::Block;
use super::super::multivector::Multivector;
use super::super::multivector::sums::{Wanted, request, roots};
use super::super::operator::OperatorError;
use super::super::options::Precondition;
use super::super::precondition::{LowRank, OnDevice};
use super::super::product::{view, view_mut};
use super::super::report::{Failure, Part};
use super::super::system::Distance;
use super::Cg;
use super::basis::Inverted;
use crate::cuda::{Memory, Term, Vectors};

/// A preconditioner, which is applied on a device if it has a form for it and the vectors are there.
pub(super) struct Inverse<'a> {
    preconditioner: Box<dyn Precondition + 'a>,
    on_device: Option<OnDevice>,
}

impl<'a> Inverse<'a> {
    /// One that is applied on the host always: vectors of a device are copied there and back.
    pub(super) fn on_host(preconditioner: impl Precondition + 'a) -> Self {
        Self {
            preconditioner: Box::new(preconditioner),
            on_device: None,
        }
    }

    /// A factorisation, which is copied to the device that vectors stay on.
    pub(super) fn low_rank(low_rank: LowRank, memory: Option<&Memory>) -> Self {
        Self {
            on_device: memory.map(|memory| low_rank.on_device(memory)),
            preconditioner: Box::new(low_rank),
        }
    }

    /// [`Precondition::lower_bound`]
    pub(super) fn lower_bound(&self, alpha: f64) -> f64 {
        self.preconditioner.lower_bound(alpha)
    }

    /// `P^-1 R` for a block of an operator of `n` rows.
    pub(super) fn apply(&self, n: usize, r: &Multivector) -> Result<Multivector, OperatorError> {
        if r.is_empty() {
            return Ok(r.clone());
        }
        if let (Some(on_device), Some(entries)) = (&self.on_device, r.entries()) {
            let mut z = r.clone();
            if let Multivector::Device { entries: z, .. } = &mut z {
                on_device.apply(entries, r.width(), z);
            }
            return Ok(z);
        }
        let on_host = r.to_host();
        let mut z = Block::from_rows(on_host.width(), vec![0.0; on_host.data().len()]);
        self.preconditioner
            .apply(view(n, &on_host)?, view_mut(n, &mut z)?)?;
        Ok(Multivector::new(z, r.entries().map(Vectors::memory)))
    }
}

impl Cg<'_> {
    /// The true distances of the iterates of some of the systems, which have the residuals `truth`.
    pub(super) fn true_distances(
        &self,
        systems: &[usize],
        truth: &Multivector,
    ) -> Result<Vec<Distance>, Failure> {
        let m = self.lower_bound();
        let z = if m > 0.0 {
            self.preconditioned(truth)?
        } else {
            None
        };
        let z = z.as_ref();
        let [squares, sums, sizes] = request([
            Wanted::Sums(Term::Same, truth, truth),
            Wanted::Sums(Term::Same, truth, z.unwrap_or(truth)),
            z.map_or(Wanted::Nothing, |z| Wanted::Sums(Term::Same, z, z)),
        ])
        .take();
        if let Some(z) = z {
            self.check_finite(&roots(&sizes, z))?;
        }
        let known = roots(&squares, truth).into_iter().zip(sums).zip(systems);
        let distance = |((residual, rz), &c): ((f64, f64), &usize)| {
            let mut distance = self.plain(residual);
            if m > 0.0 {
                distance = distance.or(self.preconditioner_slack * (rz / m).sqrt());
            }
            distance.error += self.rounding_error(c);
            distance
        };
        Ok(known.map(distance).collect())
    }

    /// [`Cg::preconditioned`] of independent columns, and an error if the preconditioner is not definite: `r'P^-1 r` is to be more than `least |r| |P^-1 r|`.
    pub(super) fn definite(
        &self,
        r: &Multivector,
        least: f64,
    ) -> Result<Option<Inverted>, Failure> {
        let Some(z) = self.preconditioned(r)? else {
            return Ok(None);
        };
        let [gram, squares, sizes] = request([
            Wanted::Sums(Term::Pairs, r, &z),
            Wanted::Sums(Term::Same, r, r),
            Wanted::Sums(Term::Same, &z, &z),
        ])
        .take();
        let sizes = roots(&sizes, &z);
        self.check_finite(&sizes)?;
        let lengths = roots(&squares, r).into_iter().zip(sizes);
        for (&value, (r, z)) in gram.diag().iter().zip(lengths) {
            if r > 0.0 && value <= least * r * z && (z > 0.0 || least == 0.0) {
                let iteration = self.iteration + 1;
                return Err(Failure::PreconditionerIndefinite { iteration, value });
            }
        }
        Ok(Some(Inverted { z, gram, squares }))
    }

    /// Refuses preconditioned vectors of these norms if there is anything in them that is not finite.
    fn check_finite(&self, norms: &[f64]) -> Result<(), Failure> {
        if norms.iter().all(|norm| norm.is_finite()) {
            return Ok(());
        }
        let (part, iteration) = (Part::Preconditioner, self.iteration + 1);
        Err(Failure::NonFinite { part, iteration })
    }

    /// `P^-1 R`, if there is a preconditioner.
    fn preconditioned(&self, r: &Multivector) -> Result<Option<Multivector>, Failure> {
        let Some(inverse) = &self.preconditioner else {
            return Ok(None);
        };
        let applied = inverse.apply(self.matrix.operator.len(), r);
        let failed = |error| Failure::Apply {
            part: Part::Preconditioner,
            iteration: self.iteration + 1,
            error,
        };
        applied.map(Some).map_err(failed)
    }
}
