//! What is compiled for each formula: everything else of the driver is compiled once, with this crate.
//!
//! A formula costs its user's crate one hoist of each side and one loop over a tile, for each instruction set. Tables of constants hold what
//! is known of it and where these functions are; the driver calls them once per vector of points and once per tile, so that the calls cost nothing.

use super::Problem;
use super::entry::{run_mirrored_on, run_tile_on, store_on};
use super::expanded::{replace_on, use_twice_on};
use super::pairing::{Expandable, Mirrored, Pairing};
use super::pairs::of_parameters;
use super::sides::{Layout, Sides, SidesCode};
use super::tile::{Columns, rows_per_block};
use super::wide::{ROWS, TOGETHER};
use crate::cuda::recipe::Evaluation;
use crate::kernel::Features;
use crate::lanes::Aligned;
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real, Simd};

/// The terms of a formula, evaluated in `T`, with a reduction.
pub(crate) struct TermsCode<T: 'static, R: Reduction> {
    sides: SidesCode<T>,
    /// Components of a term.
    pub(super) components: usize,
    /// Instructions of a pair.
    pub(crate) cost: usize,
    /// Vectors of scratch of the loop over a tile, on each instruction set.
    scratch: [usize; 3],
    run_tile: fn(InstructionSet, R, &mut Tile<'_, T, R::Total>),
    /// The same for a device.
    pub(crate) evaluation: Evaluation,
}

impl<T: Real, R: Reduction> TermsCode<T, R> {
    /// The terms of `P`.
    pub(crate) const fn of<P: Pairing>() -> Self {
        #[cfg(target_arch = "x86_64")]
        let [avx512, avx2] = [scratch::<P, T::Avx512, R>(), scratch::<P, T::Avx2, R>()];
        #[cfg(not(target_arch = "x86_64"))]
        let [avx512, avx2] = [0; 2];
        Self {
            sides: SidesCode::of::<P>(),
            components: P::Out::<T>::LEN,
            cost: P::COST,
            scratch: [avx512, avx2, scratch::<P, T::Portable, R>()],
            run_tile: run_tile_on::<P, T, R>,
            evaluation: Evaluation::of::<P, T>(),
        }
    }

    /// Features of a row.
    pub(super) fn row(&self) -> usize {
        self.sides.features[0]
    }
}

const fn scratch<P: Pairing, S: Simd, R: Reduction>() -> usize {
    rows_per_block::<P, S, R>() * R::Tile::<S::V, P::Out<S::V>>::LEN
}

/// A tile of columns for all vectors of rows of a task.
pub(super) struct Tile<'a, T, Total> {
    pub(super) params: &'a [T],
    pub(super) rows: &'a [T],
    pub(super) columns: Columns<'a, T>,
    pub(super) scratch: &'a mut [T],
    pub(super) totals: &'a mut [Total],
    pub(super) slots: usize,
}

/// A formula with a reduction and the parameters of a problem, for code that does not know the reduction.
pub(super) trait Code<T: 'static, Total>: Sync {
    /// The sides of its pairs.
    fn sides(&self) -> &Sides<T>;
    /// Vectors of scratch of the loop over a tile.
    fn scratch(&self) -> usize;
    /// The totals of no columns, for each slot.
    fn neutral(&self, slot: usize) -> Total;
    /// Reduces a tile of columns for all vectors of rows.
    fn run_tile(
        &self,
        rows: &[T],
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [Total],
        slots: usize,
    );
}

/// The terms of a problem.
pub(super) struct Terms<'c, T: 'static, R: Reduction> {
    sides: Sides<T>,
    code: &'c TermsCode<T, R>,
    reduction: R,
}

impl<'c, T: Real, R: Reduction> Terms<'c, T, R> {
    pub(super) fn new(
        isa: InstructionSet,
        code: &'c TermsCode<T, R>,
        problem: &Problem<'_>,
        reduction: R,
    ) -> Self {
        Self {
            sides: Sides::new(isa, code.sides, &problem.params),
            code,
            reduction,
        }
    }
}

impl<T: Real, R: Reduction> Code<T, R::Total> for Terms<'_, T, R> {
    fn sides(&self) -> &Sides<T> {
        &self.sides
    }

    fn scratch(&self) -> usize {
        let [avx512, avx2, portable] = self.code.scratch;
        match self.sides.isa.usable() {
            InstructionSet::Avx512 => avx512,
            InstructionSet::Avx2 => avx2,
            InstructionSet::Portable => portable,
        }
    }

    fn neutral(&self, slot: usize) -> R::Total {
        self.reduction.neutral(slot, self.code.components)
    }

    fn run_tile(
        &self,
        rows: &[T],
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [R::Total],
        slots: usize,
    ) {
        let mut tile = Tile {
            params: &self.sides.params,
            rows,
            columns,
            scratch,
            totals,
            slots,
        };
        (self.code.run_tile)(self.sides.isa, self.reduction, &mut tile);
    }
}

/// The values of a scalar formula, evaluated in `T`.
pub(crate) struct ValuesCode<T: 'static> {
    sides: SidesCode<T>,
    /// The points of an expanded formula.
    point: Option<SidesCode<T>>,
    /// Instructions of a pair.
    pub(super) cost: usize,
    /// Of an expanded formula, writes values in the place of scalar products.
    values: fn(InstructionSet, &[T], &[T], &Columns<'_, T>, &mut [T]),
}

impl<T: Real> ValuesCode<T> {
    /// The values of `P`.
    pub(crate) const fn of<P: Pairing>() -> Self {
        Self {
            sides: SidesCode::of::<P>(),
            point: None,
            cost: P::COST,
            values: store_on::<P, T>,
        }
    }

    /// The values of `P` from scalar products.
    pub(crate) const fn expanded<P: Expandable>() -> Self {
        Self {
            sides: SidesCode::one_by_one::<P::Value>(),
            point: Some(SidesCode::one_by_one::<P::Product>()),
            cost: <P::Product as Pairing>::Row::<T>::LEN + <P::Value as Pairing>::COST,
            values: replace_on::<P, T>,
        }
    }

    /// Features of a row.
    pub(super) fn row(&self) -> usize {
        self.sides.features[0] + self.point.map_or(0, |point| point.features[0])
    }
}

/// The values of a problem.
pub(super) struct Values<'c, T: 'static> {
    pub(super) sides: Sides<T>,
    code: &'c ValuesCode<T>,
}

impl<'c, T: Real> Values<'c, T> {
    pub(super) fn new(isa: InstructionSet, code: &'c ValuesCode<T>, problem: &Problem<'_>) -> Self {
        let sides = Sides::new(isa, code.sides, &problem.params);
        let sides = sides.with_point(code.point, &problem.params);
        Self { sides, code }
    }

    /// Writes the values for some vectors of rows and a tile of columns, by vector, then by column, then by lane.
    pub(super) fn write(&self, rows: &[T], columns: &Columns<'_, T>, values: &mut [T]) {
        let Sides { isa, params, .. } = &self.sides;
        self.sides.multiply(rows, columns, values);
        let Layout { lanes, row, .. } = self.sides.layout();
        let values = values.chunks_exact_mut(columns.count * lanes);
        for (n, values) in values.enumerate() {
            let row = &rows[n * row * lanes..][..row * lanes];
            (self.code.values)(*isa, params, row, columns, values);
        }
    }
}

/// Products of a symmetric scalar formula, evaluated in `T`, whose entries are used twice.
pub(crate) struct MirrorCode<T: 'static> {
    sides: SidesCode<T>,
    /// The points of an expanded formula.
    point: Option<SidesCode<T>>,
    /// Instructions of a pair.
    pub(super) cost: usize,
    /// Number of vectors that are multiplied together.
    pub(crate) vectors: usize,
    run: fn(InstructionSet, &[T], &[T], &Columns<'_, T>, &[T], [&mut [T]; 2]),
}

impl<T: Real> MirrorCode<T> {
    /// Products of `P` with `E` vectors.
    pub(crate) const fn of<P: Pairing, const E: usize>() -> Self {
        Self {
            sides: SidesCode::of::<Mirrored<P, E>>(),
            point: None,
            cost: Mirrored::<P, E>::COST,
            vectors: E,
            run: run_mirrored_on::<P, T, E>,
        }
    }

    /// The same from scalar products.
    pub(crate) const fn expanded<P: Expandable, const E: usize>() -> Self {
        Self {
            sides: SidesCode::one_by_one::<Mirrored<P::Value, E>>(),
            point: Some(SidesCode::one_by_one::<P::Product>()),
            cost: <P::Product as Pairing>::Row::<T>::LEN + Mirrored::<P::Value, E>::COST,
            vectors: E,
            run: use_twice_on::<P, T, E>,
        }
    }
}

/// Such products for a problem.
pub(super) struct Mirror<'c, T: 'static> {
    pub(super) sides: Sides<T>,
    pub(super) code: &'c MirrorCode<T>,
}

impl<'c, T: Real> Mirror<'c, T> {
    pub(super) fn new(isa: InstructionSet, code: &'c MirrorCode<T>, problem: &Problem<'_>) -> Self {
        let sides = Sides::new(isa, code.sides, &problem.params);
        let sides = sides.with_point(code.point, &problem.params);
        Self { sides, code }
    }

    /// Multiplies a tile with the weights of its columns into the sums of the rows, which are overwritten, and its transpose with the
    /// weights of its rows onto those of the columns. Sums are stored by point, then by weight, then by lane.
    pub(super) fn run(&self, rows: &[T], columns: &Columns<'_, T>, sums: [&mut [T]; 2]) {
        let Sides { isa, params, .. } = &self.sides;
        if self.sides.dimensions() == 0 {
            return (self.code.run)(*isa, params, rows, columns, &[], sums);
        }
        let Layout {
            lanes, row, column, ..
        } = self.sides.layout();
        let length = self.code.vectors * lanes;
        let [row_sums, column_sums] = sums;
        row_sums.fill(T::ZERO);
        let column_sums = &mut column_sums[..columns.count * length];
        let mut products = Aligned::zeros(ROWS * TOGETHER * lanes);
        let blocks = rows.chunks(ROWS * row * lanes);
        for (rows, row_sums) in blocks.zip(row_sums.chunks_mut(ROWS * length)) {
            let sums = column_sums.chunks_mut(TOGETHER * length);
            for (n, column_sums) in sums.enumerate() {
                let columns = Columns {
                    first: columns.first + n * TOGETHER,
                    count: column_sums.len() / length,
                    features: &columns.features[n * TOGETHER * column..],
                };
                let products = &mut products[..rows.len() / row * columns.count];
                self.sides.multiply(rows, &columns, products);
                (self.code.run)(
                    *isa,
                    params,
                    rows,
                    &columns,
                    products,
                    [row_sums, column_sums],
                );
            }
        }
    }
}

/// The squares of the points of an expanded formula.
pub struct SquaresCode<T: 'static> {
    point: SidesCode<T>,
    /// [`Expansion::Slope`](crate::kernel::Expansion::Slope)
    pub(super) slope: fn(&[f64]) -> f64,
    /// Whether rows are points i, whose means are the centre.
    pub(super) rows_are_i: bool,
}

impl<T: Real> SquaresCode<T> {
    /// The squares of the points of `P`.
    pub(crate) const fn of<P: Expandable>() -> Self {
        Self {
            point: SidesCode::one_by_one::<P::Product>(),
            slope: of_parameters::<P::Slope>,
            rows_are_i: P::ROWS_ARE_I,
        }
    }

    /// What computes the components of points.
    pub(super) fn sides(&self, isa: InstructionSet, params: &[f64]) -> Sides<T> {
        Sides::new(isa, self.point, params)
    }
}
