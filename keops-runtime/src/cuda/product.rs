//! Products of a kernel's matrix with vectors in the memory of a device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::device::Device;
use super::memory::{Memory, Vectors};
use super::recipe::{Adding, Evaluation, Type};
use super::reduce::PreparedProduct;
use super::resident::Borrowed;
use crate::Error;
use crate::cpu::Problem;
use crate::solve::Precision;

/// A matrix whose products with vectors stay on a device. Kernels, parameters, points and room for totals are made ready at the first product of a kind and kept.
pub(crate) struct Products<'a> {
    memory: Memory,
    problem: Problem<'a>,
    /// The arrays of the problem that are the user's, which are read as long as there are products.
    _borrowed: Vec<Borrowed<'a>>,
    /// How the matrix is evaluated in working precision and in double, times one vector and times several.
    evaluations: [[Evaluation; 2]; 2],
    /// The same of sums.
    adding: [Adding; 2],
    prepared: Mutex<HashMap<(Type, usize), Arc<Kept>>>,
    /// Whether the processor may do the work where the device fails.
    pub(crate) optional: bool,
}

/// What is kept of a kind of product.
struct Kept {
    product: PreparedProduct,
    /// Room for weights of the type of the formula, if these may not be the columns of a block.
    weights: Vectors,
    /// Room for results, if these may not be the columns of a block.
    results: Vectors,
}

impl<'a> Products<'a> {
    /// The products of a matrix on a device.
    ///
    /// # Errors
    /// [`Error::Backend`] if the device does not work, or the kernel was written for processors only.
    pub(crate) fn new(
        device: &'static Device,
        problem: Problem<'a>,
        evaluations: [[Evaluation; 2]; 2],
        adding: [Adding; 2],
        optional: bool,
    ) -> Result<Self, Error> {
        Ok(Self {
            memory: Memory::new(device)?,
            _borrowed: device.borrow(&problem)?,
            problem,
            evaluations,
            adding,
            prepared: Mutex::default(),
            optional,
        })
    }

    /// The memory that vectors stay in.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Queues `out = K v` for blocks of `width` columns.
    ///
    /// # Errors
    /// Those of the device so far.
    pub(crate) fn apply(
        &self,
        precision: Precision,
        v: &Vectors,
        width: usize,
        out: &mut Vectors,
    ) -> Result<(), Error> {
        let place = usize::from(precision == Precision::Double);
        let evaluation = &self.evaluations[place][usize::from(width > 1)];
        let (rows, t, weights) = (
            self.problem.rows.count(),
            evaluation.t,
            evaluation.formula.weights,
        );
        let kept = self.kept(evaluation, self.adding[place]);
        let kept = kept.inspect_err(|error| self.memory.fail(error.clone()))?;
        let whole = weights == width;
        for from in (0..width).step_by(weights.max(1)) {
            let (weights_at, results_at) = (
                if whole && t == Type::Double {
                    v.address()
                } else {
                    kept.weights.address()
                },
                if whole {
                    out.address()
                } else {
                    kept.results.address()
                },
            );
            self.memory.attempt(|_| {
                if weights_at != v.address() {
                    let block = (v, rows, width);
                    self.memory.pack(t, weights_at, block, from, weights)?;
                }
                kept.product.launch(weights_at, results_at)
            });
            if !whole {
                let columns = (0..weights.min(width - from)).map(|c| (c, from + c));
                let results = (&kept.results, weights);
                self.memory
                    .copy_columns(rows, (out, width), results, columns);
            }
        }
        self.memory.error().map_or(Ok(()), Err)
    }

    /// What is kept for an evaluation.
    fn kept(&self, evaluation: &Evaluation, adding: Adding) -> Result<Arc<Kept>, Error> {
        if let Some(error) = self.memory.error() {
            return Err(error);
        }
        let key = (evaluation.t, evaluation.formula.weights);
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = prepared.get(&key) {
            return Ok(Arc::clone(kept));
        }
        let device = self.memory.device();
        let product = device.prepare_product(evaluation, &self.problem, adding)?;
        let (t, weights) = key;
        let room = |needed: bool| match needed {
            true => self
                .memory
                .vectors(self.problem.rows.count().saturating_mul(weights)),
            false => self.memory.vectors(0),
        };
        let kept = Arc::new(Kept {
            product,
            weights: room(weights > 1 || t == Type::Single),
            results: room(weights > 1),
        });
        prepared.insert(key, Arc::clone(&kept));
        Ok(kept)
    }
}
