//! Preconditioners where the vectors of a solve are.

use ndarray::{ArrayView2, ArrayViewMut2};

use super::super::block::Block;
use super::super::multivector::Multivector;
use super::super::operator::OperatorError;
use super::super::options::Precondition;
use super::super::precondition::{LowRank, OnDevice};
use super::super::product::{view, view_mut};
use crate::cuda::Memory;

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
        let (r_view, z_view): (ArrayView2<'_, f64>, ArrayViewMut2<'_, f64>) =
            (view(n, &on_host)?, view_mut(n, &mut z)?);
        self.preconditioner.apply(r_view, z_view)?;
        Ok(Multivector::new(
            z,
            r.entries().map(|entries| entries.memory()),
        ))
    }
}
