//! Running a product with a symmetric matrix of which each entry is computed once; see `kernels/mirror.cu` for how.

use std::sync::Arc;

use super::device::{Buffer, Device, Module};
use super::launch::{BLOCKS, Launch, Parameters, TOTAL_BYTES, argument, decoded, launch};
use super::layout::{Layout, THREADS};
use super::recipe::{Formula, Pairs, Recipe};
use crate::Error;
use crate::memory::repeated;

/// How the offsets of a circle of blocks are shared out.
#[derive(Debug, PartialEq, Eq)]
struct Circle {
    blocks: usize,
    /// Their offsets, from 0 to half the circle.
    offsets: usize,
    /// Offsets of a launch: the totals of their columns are in memory at once.
    together: usize,
    /// Offsets of a block of threads.
    part: usize,
}

impl Circle {
    /// A circle of so many blocks, of which the totals of one offset take `bytes`. Nothing of it depends on anything but the sizes and the device,
    /// and so does no result.
    fn new(blocks: usize, bytes: usize, processors: usize) -> Self {
        let offsets = blocks / 2 + 1;
        let together = (TOTAL_BYTES / bytes.max(1)).clamp(1, offsets);
        // Several times as many blocks of threads as there is room for, so that few multiprocessors wait for the last ones.
        let wanted = (4 * BLOCKS * processors).div_ceil(blocks.max(1));
        let part = together.div_ceil(wanted.clamp(1, together));
        Circle {
            blocks,
            offsets,
            together,
            part,
        }
    }

    /// Whether there are enough pairs of blocks for the device.
    fn is_large(&self, processors: usize) -> bool {
        self.blocks.saturating_mul(self.offsets) >= BLOCKS * processors
    }

    /// The launches: their first offsets, and how many there are.
    fn launches(&self) -> impl Iterator<Item = (usize, usize)> {
        let Self {
            offsets, together, ..
        } = *self;
        let count = move |first: usize| (first, together.min(offsets - first));
        (0..offsets).step_by(together).map(count)
    }
}

impl Device {
    /// Whether a product of so many rows is faster if each entry is computed once.
    pub(super) fn mirrors(&self, formula: &Formula<'_>, launched: &Launch) -> bool {
        let layout = Layout::new(formula, launched.reduction, launched.t);
        let blocks = launched.row_count.div_ceil(layout.block_rows());
        let circle = Circle::new(blocks, 0, self.processors);
        layout.pays_mirrored(formula, launched.t) && circle.is_large(self.processors)
    }

    /// Computes the products with a matrix that is the same when i and j are exchanged, whose rows and columns are the same points, by row, then by
    /// vector. The reduction of the launch is [`Reduction::Mirrored`](super::recipe::Reduction::Mirrored).
    ///
    /// # Errors
    /// As for [`Device::run`].
    pub(super) fn run_mirrored(
        &self,
        formula: &Formula<'static>,
        launched: &Launch,
    ) -> Result<Vec<f64>, Error> {
        let &Launch { out, row_count, .. } = launched;
        let results = row_count.saturating_mul(formula.weights);
        let prepared = self.prepare_mirrored(formula, launched)?;
        let values = self.buffer(results.saturating_mul(out.size()))?;
        prepared.launch(launched.weights.address(), values.address())?;
        // Copying waits for the kernels.
        let mut found = repeated(results.saturating_mul(out.size()), 0u8)?;
        values.read(&mut found)?;
        Ok(decoded(out, &found))
    }

    /// Loads the kernels of such a product, and makes room for its totals.
    ///
    /// # Errors
    /// As for [`Device::run`].
    pub(super) fn prepare_mirrored(
        &self,
        formula: &Formula<'static>,
        launched: &Launch,
    ) -> Result<PreparedMirrored, Error> {
        let &Launch {
            reduction,
            t,
            out,
            row_count,
            ..
        } = launched;
        let layout = Layout::new(formula, reduction, t);
        let results = row_count.saturating_mul(formula.weights);
        let bytes = results.saturating_mul(t.size());
        let circle = Circle::new(
            row_count.div_ceil(layout.block_rows()),
            bytes,
            self.processors,
        );
        self.enter()?;
        let module = self.module(&Recipe {
            formula: *formula,
            reduction,
            pairs: Pairs::All,
            t,
            out,
        })?;
        let most_parts = circle.together.div_ceil(circle.part);
        Ok(PreparedMirrored {
            module,
            params: self.parameters(launched)?,
            rows: Arc::clone(&launched.rows),
            columns: Arc::clone(&launched.columns),
            row_totals: self.buffer(results.saturating_mul(size_of::<f64>() * most_parts))?,
            column_totals: self.buffer(bytes.saturating_mul(circle.together))?,
            circle,
            row_count,
        })
    }
}

/// A product that can be launched again and again, for other weights.
pub(super) struct PreparedMirrored {
    module: Module,
    params: Parameters,
    rows: Arc<Buffer>,
    columns: Arc<Buffer>,
    row_totals: Buffer,
    column_totals: Buffer,
    circle: Circle,
    row_count: usize,
}

impl PreparedMirrored {
    /// Queues the kernels, which read the weights and write the results at these addresses. The context of the device is current.
    pub(super) fn launch(&self, weights: u64, values: u64) -> Result<(), Error> {
        let circle = &self.circle;
        let addresses = [
            &*self.rows,
            &*self.columns,
            &self.row_totals,
            &self.column_totals,
        ];
        let [rows, columns, row_totals, column_totals] = addresses.map(Buffer::address);
        let [count, blocks, part] = [self.row_count, circle.blocks, circle.part].map(|n| n as u64);
        for (first, offsets) in circle.launches() {
            let parts = offsets.div_ceil(circle.part);
            let [first, offsets, part_count] = [first, offsets, parts].map(|n| n as u64);
            launch(
                self.module.reduce.0,
                (circle.blocks, parts),
                &mut [
                    self.params.argument(),
                    argument(&rows),
                    argument(&columns),
                    argument(&weights),
                    argument(&count),
                    argument(&first),
                    argument(&offsets),
                    argument(&part),
                    argument(&row_totals),
                    argument(&column_totals),
                ],
            )?;
            launch(
                self.module.merge.0,
                (self.row_count.div_ceil(THREADS), 1),
                &mut [
                    argument(&count),
                    argument(&blocks),
                    argument(&first),
                    argument(&offsets),
                    argument(&part_count),
                    argument(&row_totals),
                    argument(&column_totals),
                    argument(&values),
                ],
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Circle, TOTAL_BYTES};

    #[test]
    fn launches_cover_all_offsets_within_the_memory() {
        for blocks in [1, 2, 3, 64, 1954] {
            for bytes in [1, 4_000_000, TOTAL_BYTES, 2 * TOTAL_BYTES] {
                let circle = Circle::new(blocks, bytes, 132);
                assert_eq!(circle.offsets, blocks / 2 + 1);
                assert!(circle.together == 1 || circle.together * bytes <= TOTAL_BYTES);
                assert!(circle.part >= 1 && circle.part <= circle.together);
                let mut next = 0;
                for (first, count) in circle.launches() {
                    assert!(first == next && (1..=circle.together).contains(&count));
                    next += count;
                }
                assert_eq!(next, circle.offsets);
            }
        }
    }
}
