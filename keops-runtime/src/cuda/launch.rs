//! Running a reduction: arrays to the device, two kernels, results back.

use core::ffi::c_void;
use core::ptr;
use std::sync::Arc;

use cudarc::driver::result;

use super::device::{Buffer, Device, Module, failed};
use super::layout::THREADS;
use super::recipe::{Formula, Pairs, Recipe, Reduction, Type};
use super::source::PARAMS_BY_VALUE;
use super::spans::Spans;
use super::unavailable;
use crate::Error;
use crate::memory::repeated;

/// Blocks for each multiprocessor that are enough to keep it busy.
pub(super) const BLOCKS: usize = 16;
/// A part has at least this many columns, so that merging is little work beside it.
const SHORTEST_PART: usize = 512;
/// The same for the smallest values, of which every part begins with none.
const SHORTEST_SEARCH: usize = 8192;
/// Totals of several parts take at most this many bytes.
pub(super) const TOTAL_BYTES: usize = 256 << 20;
/// A grid has at most this many parts.
const MOST_PARTS: usize = 65_535;

/// What a launch reads and computes, apart from the formula.
#[derive(Debug)]
pub struct Launch {
    /// What is done with the terms.
    pub reduction: Reduction,
    /// The type of the terms.
    pub t: Type,
    /// The type of the results.
    pub out: Type,
    /// How many values of every row and component are wanted; 1 but for the smallest.
    pub count: usize,
    /// Features of the parameters.
    pub params: Vec<f64>,
    /// Raw components, by row, of the type of the terms.
    pub rows: Arc<Buffer>,
    /// The same by column.
    pub columns: Arc<Buffer>,
    /// Weights, by column, of the type of the terms.
    pub weights: Arc<Buffer>,
    /// Number of rows of the result.
    pub row_count: usize,
    /// Number of columns that a row is reduced over, at most.
    pub column_count: usize,
    /// The rows and columns of blocks, if these do not have all pairs of rows and columns.
    pub spans: Option<Spans>,
}

/// Numbers as the device has them.
fn encoded(t: Type, values: &[f64]) -> Vec<u8> {
    match t {
        Type::Single => values
            .iter()
            .flat_map(|&x| (x as f32).to_ne_bytes())
            .collect(),
        Type::Double => values.iter().flat_map(|x| x.to_ne_bytes()).collect(),
    }
}

/// Numbers that the device has computed.
pub(super) fn decoded(t: Type, bytes: &[u8]) -> Vec<f64> {
    let single = |bytes: &[u8; 4]| f64::from(f32::from_ne_bytes(*bytes));
    match t {
        Type::Single => bytes.as_chunks::<4>().0.iter().map(single).collect(),
        Type::Double => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .copied()
            .map(f64::from_ne_bytes)
            .collect(),
    }
}

/// The features of the parameters as kernels take them: themselves if they are few, or else where they are.
pub(super) struct Parameters {
    values: Vec<u8>,
    /// Where they are, if they are many.
    memory: Option<(Buffer, u64)>,
}

impl Parameters {
    /// What the driver reads.
    pub(super) fn argument(&self) -> *mut c_void {
        match &self.memory {
            None => self.values.as_ptr().cast::<c_void>().cast_mut(),
            Some((_, address)) => argument(address),
        }
    }
}

/// How columns are cut into parts.
struct Parts {
    /// Columns of a part; the last one may have fewer.
    length: usize,
    count: usize,
}

impl Parts {
    /// Enough parts to keep the device busy. They depend on the sizes and the device alone, and so does the result.
    fn new(blocks: usize, columns: usize, processors: usize, shortest: usize, most: usize) -> Self {
        let wanted = (BLOCKS * processors).div_ceil(blocks.max(1));
        let most = most.min(MOST_PARTS).min(columns / shortest).max(1);
        let length = columns.div_ceil(wanted.clamp(1, most)).max(1);
        Parts {
            length,
            count: columns.div_ceil(length).max(1),
        }
    }
}

impl Device {
    /// The parameters of a launch.
    pub(super) fn parameters(&self, launched: &Launch) -> Result<Parameters, Error> {
        let mut values = encoded(launched.t, &launched.params);
        if launched.spans.is_none() && launched.params.len() <= PARAMS_BY_VALUE {
            // At least one number: so many bytes the driver reads.
            values.resize(values.len().max(launched.t.size()), 0);
            let memory = None;
            return Ok(Parameters { values, memory });
        }
        let buffer = self.upload(&values)?;
        let address = buffer.address();
        let memory = Some((buffer, address));
        Ok(Parameters { values, memory })
    }

    /// Computes a reduction: the results by row, then by number, then by component, and their columns if the reduction finds them.
    ///
    /// # Errors
    /// [`Error::Backend`] if the kernel does not fit the device or does not run, [`Error::DeviceMemory`].
    pub fn run(
        &self,
        formula: &Formula<'static>,
        launched: &Launch,
    ) -> Result<(Vec<f64>, Vec<u64>), Error> {
        let &Launch {
            reduction,
            out,
            count,
            row_count,
            ..
        } = launched;
        let width = count.saturating_mul(reduction.width(formula.terms()));
        let results = row_count.saturating_mul(width);
        if results == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let prepared = self.prepare(formula, launched)?;
        let values = self.buffer(results.saturating_mul(out.size()))?;
        let indices = self.buffer(if reduction.finds_columns() {
            results.saturating_mul(size_of::<u64>())
        } else {
            0
        })?;
        let weights = launched.weights.address();
        prepared.launch(weights, values.address(), indices.address())?;
        // Copying waits for the kernels.
        let mut found = repeated(results.saturating_mul(out.size()), 0u8)?;
        values.read(&mut found)?;
        let mut at = Vec::new();
        if reduction.finds_columns() {
            at = repeated(results, 0)?;
            indices.read(&mut at)?;
        }
        Ok((decoded(out, &found), at))
    }

    /// Loads the kernels of a reduction of some rows, and makes room for their totals.
    ///
    /// # Errors
    /// As for [`Device::run`].
    pub(super) fn prepare(
        &self,
        formula: &Formula<'static>,
        launched: &Launch,
    ) -> Result<Prepared, Error> {
        let &Launch {
            reduction,
            t,
            out,
            count,
            row_count,
            column_count,
            ..
        } = launched;
        let terms = formula.terms();
        let recipe = Recipe {
            formula: *formula,
            reduction,
            pairs: match &launched.spans {
                None => Pairs::All,
                Some(spans) => Pairs::Spans {
                    narrow: spans.narrow,
                },
            },
            t,
            out,
        };
        let layout = recipe.layout();
        if !layout.fits(t) {
            return Err(unavailable(format!(
                "{} features of a point do not fit into the device's shared memory; use Backend::Cpu",
                formula.column.features
            )));
        }
        // Loading a kernel needs the context too.
        self.enter()?;
        let module = self.module(&recipe)?;

        let kept = if reduction.keeps_totals_in_memory() {
            count.min(column_count)
        } else {
            1
        };
        let total = row_count
            .saturating_mul(kept)
            .saturating_mul(reduction.total_bytes(terms));
        let (blocks, spans, intervals) = match &launched.spans {
            None => (row_count.div_ceil(layout.block_rows()), None, None),
            Some(Spans {
                blocks, intervals, ..
            }) => (
                blocks.len(),
                Some(self.upload(blocks)?),
                Some(self.upload(intervals)?),
            ),
        };
        let shortest = if reduction.keeps_totals_in_memory() {
            SHORTEST_SEARCH.max(kept.saturating_mul(64))
        } else {
            SHORTEST_PART
        };
        let most = TOTAL_BYTES / total.max(1);
        let parts = Parts::new(blocks, column_count, self.processors, shortest, most);
        let totals = if parts.count > 1 || reduction.keeps_totals_in_memory() {
            total.saturating_mul(parts.count)
        } else {
            0
        };
        Ok(Prepared {
            module,
            params: self.parameters(launched)?,
            rows: Arc::clone(&launched.rows),
            columns: Arc::clone(&launched.columns),
            spans,
            intervals,
            totals: self.buffer(totals)?,
            blocks,
            parts,
            row_count,
            column_count,
            kept,
            count,
        })
    }
}

/// A reduction that can be launched again and again, for other weights.
pub(super) struct Prepared {
    module: Module,
    params: Parameters,
    rows: Arc<Buffer>,
    columns: Arc<Buffer>,
    spans: Option<Buffer>,
    intervals: Option<Buffer>,
    totals: Buffer,
    blocks: usize,
    parts: Parts,
    row_count: usize,
    column_count: usize,
    /// Values whose totals are kept of a row.
    kept: usize,
    /// Values that are wanted of a row.
    count: usize,
}

impl Prepared {
    /// Queues the kernels, which read the weights and write the results at these addresses. The context of the device is current.
    pub(super) fn launch(&self, weights: u64, values: u64, indices: u64) -> Result<(), Error> {
        let addresses = [&self.rows, &self.columns, &self.totals];
        let [rows, columns, totals] = addresses.map(Buffer::address);
        let [spans, intervals] =
            [&self.spans, &self.intervals].map(|buffer| buffer.as_ref().map_or(0, Buffer::address));
        let [
            row_count,
            column_count,
            part_length,
            part_count,
            kept,
            count,
        ] = [
            self.row_count,
            self.column_count,
            self.parts.length,
            self.parts.count,
            self.kept,
            self.count,
        ]
        .map(|n| n as u64);
        launch(
            self.module.reduce.0,
            (self.blocks, self.parts.count),
            &mut [
                self.params.argument(),
                argument(&rows),
                argument(&columns),
                argument(&weights),
                argument(&spans),
                argument(&intervals),
                argument(&row_count),
                argument(&column_count),
                argument(&part_length),
                argument(&kept),
                argument(&count),
                argument(&totals),
                argument(&values),
                argument(&indices),
            ],
        )?;
        if self.parts.count == 1 {
            return Ok(());
        }
        launch(
            self.module.merge.0,
            (self.row_count.div_ceil(THREADS), 1),
            &mut [
                argument(&row_count),
                argument(&part_count),
                argument(&kept),
                argument(&count),
                argument(&totals),
                argument(&values),
                argument(&indices),
            ],
        )
    }
}

/// Where the driver reads an argument.
pub(super) fn argument<T>(value: &T) -> *mut c_void {
    ptr::from_ref(value).cast::<c_void>().cast_mut()
}

/// Launches a kernel with one-dimensional blocks of [`THREADS`] on the default stream of the current device.
pub(super) fn launch(
    function: cudarc::driver::sys::CUfunction,
    (blocks, parts): (usize, usize),
    arguments: &mut [*mut c_void],
) -> Result<(), Error> {
    let grid = |n: usize| {
        u32::try_from(n).map_err(|_| unavailable(format!("{n} blocks are too many for a grid")))
    };
    let grid = (grid(blocks)?, grid(parts)?, 1);
    let block = (THREADS as u32, 1, 1);
    // SAFETY: the arguments are those that the kernels in `kernels/` declare, in their order and of their types, and their
    // memory is as large as these kernels expect.
    unsafe { result::launch_kernel(function, grid, block, 0, ptr::null_mut(), arguments) }
        .map_err(|error| failed("launching a kernel", error))
}

#[cfg(test)]
mod tests {
    use super::{MOST_PARTS, Parts};

    #[test]
    fn parts_cover_all_columns() {
        for blocks in [1, 7, 10_000] {
            for columns in [0, 1, 511, 512, 1024, 1_000_003] {
                for most in [0, 1, 3, usize::MAX] {
                    let parts = Parts::new(blocks, columns, 132, 512, most);
                    assert!((1..=MOST_PARTS).contains(&parts.count) && parts.count <= most.max(1));
                    assert!(parts.length * parts.count >= columns);
                    // No part is empty.
                    assert!(parts.length * (parts.count - 1) < columns.max(1));
                }
            }
        }
    }
}
