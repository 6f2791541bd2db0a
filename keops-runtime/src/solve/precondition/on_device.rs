//! The inverse of a low-rank matrix plus a multiple of the identity, for vectors in the memory of a device.

use ndarray::{Array2, ArrayView2};

use crate::cuda::{Memory, PANEL, Sum, Vectors};
use crate::cuda::{Rule, Term};

/// `P^-1 = (Id - F (F'F + mu Id)^-1 F') / mu`, with `F` on the device.
pub(in super::super) struct OnDevice {
    memory: Memory,
    rows: usize,
    rank: usize,
    /// `F`, column by column.
    factor: Vectors,
    /// The factorisation `L L'` of `F'F + mu Id`: `L` below the diagonal, `L'` above.
    both: Vectors,
    /// The inverses of the blocks of [`PANEL`] rows on the diagonal of `L`.
    inverses: Vectors,
    shift: f64,
}

impl OnDevice {
    /// Copies what the inverse is made of: `F'`, `L` and `mu`.
    pub(super) fn new(
        memory: &Memory,
        transposed: &Array2<f64>,
        lower: &Array2<f64>,
        shift: f64,
    ) -> Self {
        let (rank, rows) = transposed.dim();
        let factor = match transposed.as_slice() {
            Some(entries) => memory.upload(entries),
            None => memory.upload(&transposed.iter().copied().collect::<Vec<_>>()),
        };
        let both: Vec<f64> = (0..rank * rank)
            .map(|k| {
                let (i, j) = (k / rank, k % rank);
                lower[[i.max(j), i.min(j)]]
            })
            .collect();
        let inverses: Vec<f64> = (0..rank.div_ceil(PANEL))
            .flat_map(|panel| inverse_of_panel(lower.view(), panel * PANEL))
            .collect();
        Self {
            memory: memory.clone(),
            rows,
            rank,
            factor,
            both: memory.upload(&both),
            inverses: memory.upload(&inverses),
            shift,
        }
    }

    /// Writes `P^-1 R` to `z`, which is a copy of `R`, a block of `width` columns.
    pub(in super::super) fn apply(&self, r: &Vectors, width: usize, z: &mut Vectors) {
        let Self {
            memory,
            rows,
            factor,
            ..
        } = self;
        let f = factor.by_column(*rows, self.rank);
        let mut y = memory.vectors(self.rank * width);
        let projection = Sum {
            term: Term::Pairs,
            a: f,
            b: r.by_row(width),
        };
        memory.sums_to(*rows, projection, &mut y);
        memory.solve_small(&self.both, &self.inverses, &mut y, width);
        memory.add_product_of(*rows, z, width, f, &y);
        memory.update(&mut [(z, None)], Rule::Divide, &[self.shift]);
    }
}

/// The inverse of the block of `L` from one place on its diagonal, row by row, filled up with the identity.
fn inverse_of_panel(lower: ArrayView2<'_, f64>, from: usize) -> Vec<f64> {
    let count = PANEL.min(lower.nrows() - from);
    let mut inverse = vec![0.0; PANEL * PANEL];
    for column in 0..PANEL {
        inverse[column * PANEL + column] = 1.0;
        for i in column..count {
            let known: f64 = (column..i)
                .map(|k| lower[[from + i, from + k]] * inverse[k * PANEL + column])
                .sum();
            let unit = if i == column { 1.0 } else { 0.0 };
            inverse[i * PANEL + column] = (unit - known) / lower[[from + i, from + i]];
        }
    }
    inverse
}
