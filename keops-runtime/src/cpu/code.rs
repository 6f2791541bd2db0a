//! What is compiled for each formula: everything else of the driver is compiled once, with this crate.
//!
//! A formula costs its user's crate one hoist of each side and one loop over a tile, for each instruction set. Tables of constants hold what
//! is known of it and where these functions are; the driver calls them once per vector of points and once per tile, so that the calls cost nothing.

use super::Problem;
use super::distances::{ROWS, TOGETHER};
use super::entry::{run_mirrored_on, run_tile_on, store_on};
use super::pack::{Packed, PackedVectors};
use super::pairing::{Mirrored, Pairing};
use super::sides::{Layout, Sides, SidesCode};
use super::squares::Squares;
use super::tile::{Columns, rows_per_block};
use crate::cuda::recipe::Evaluation;
use crate::kernel::Features;
use crate::lanes::Aligned;
use crate::reduce::Reduction;
use crate::simd::{InstructionSet, Real, Simd};

/// There is no second loop for few rows where a pair costs more than this, and more than so much for each feature that it reads, by loops of little code: compiling it would
/// take long.
const MUCH_CODE: [usize; 2] = [256, 8];

/// A loop over a tile.
type RunTile<T, R> = fn(InstructionSet, R, &mut Tile<'_, T, <R as Reduction>::Total>);

/// The terms of a formula, evaluated in `T`, with a reduction.
pub(crate) struct TermsCode<T: 'static, R: Reduction> {
    pub(super) sides: SidesCode<T>,
    /// Components of a term.
    pub(super) components: usize,
    /// Instructions of a pair.
    pub(crate) cost: usize,
    /// Vectors of scratch of the loop over a tile, on each instruction set.
    scratch: [usize; 3],
    run_tile: RunTile<T, R>,
    /// The loop over a tile of vectors of columns, where there is one.
    run_few: Option<RunTile<T, R>>,
    /// The same for a device.
    pub(crate) evaluation: Evaluation,
}

impl<T: Real, R: Reduction> TermsCode<T, R> {
    /// Whether there is a loop for few rows.
    pub(super) fn has_few(&self) -> bool {
        self.run_few.is_some()
    }

    /// The terms of `P`.
    pub(crate) const fn of<P: Pairing>() -> Self {
        #[cfg(target_arch = "x86_64")]
        let [avx512, avx2] = [
            scratch::<P::Value, T::Avx512, R>(),
            scratch::<P::Value, T::Avx2, R>(),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let [avx512, avx2] = [0; 2];
        Self {
            sides: SidesCode::of::<P>(),
            components: P::Out::<T>::LEN,
            cost: P::COST,
            scratch: [avx512, avx2, scratch::<P::Value, T::Portable, R>()],
            run_tile: run_tile_on::<P::Value, T, R, false>,
            run_few: None,
            evaluation: Evaluation::of::<P, T>(),
        }
    }

    /// The same for problems that may have few rows and many columns.
    pub(crate) const fn of_any_rows<P: Pairing>() -> Self {
        let mut code = Self::of::<P>();
        let [most, of_feature] = MUCH_CODE;
        let read = <P::Value as Pairing>::Row::<T>::LEN + <P::Value as Pairing>::Column::<T>::LEN;
        let cost = <P::Value as Pairing>::COST;
        let is_short = cost <= most || cost <= of_feature * read;
        if is_short && SidesCode::<T>::of::<P>().has_columns_by_lane() {
            code.run_few = Some(run_tile_on::<P::Value, T, R, true>);
        }
        code
    }
}

const fn scratch<P: Pairing, S: Simd, R: Reduction>() -> usize {
    rows_per_block::<P, S, R>() * R::Tile::<S::V, P::Out<S::V>>::LEN
}

/// A tile of columns for some vectors of rows of a task.
pub(super) struct Tile<'a, T, Total> {
    pub(super) params: &'a [T],
    pub(super) rows: &'a [T],
    pub(super) columns: Columns<'a, T>,
    /// The squared distances, if the formula is given them, by vector, then by column, then by lane.
    pub(super) distances: &'a [T],
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
        rows: &PackedVectors<T>,
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [Total],
        slots: usize,
    );
    /// Reduces a tile of vectors of columns for a row, which fills a vector, if there is a loop for that.
    fn run_few(
        &self,
        row: Packed<'_, T>,
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [Total],
        slots: usize,
    );
    /// [`Reduction::merge`].
    fn merge(&self, totals: &mut [Total], others: &[Total]);
    /// [`Reduction::renumber`].
    fn renumber(&self, totals: &mut [Total], column: &dyn Fn(usize) -> usize);
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
        squares: Option<&Squares>,
        reduction: R,
    ) -> Self {
        Self {
            sides: Sides::new(isa, code.sides, &problem.params, squares),
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
        rows: &PackedVectors<T>,
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [R::Total],
        slots: usize,
    ) {
        let (sides, layout) = (&self.sides, self.sides.layout());
        let mut run = |rows: Packed<'_, T>, columns, distances: &[T], totals: &mut [R::Total]| {
            let mut tile = Tile {
                params: &sides.params,
                rows: rows.features,
                columns,
                distances,
                scratch: &mut *scratch,
                totals,
                slots,
            };
            (self.code.run_tile)(sides.isa, self.reduction, &mut tile);
        };
        let of_vector = slots * layout.lanes;
        if !sides.has_distance() {
            return run(
                rows.vectors(0..totals.len() / of_vector),
                columns,
                &[],
                totals,
            );
        }
        let mut distances = Aligned::zeros(ROWS * TOGETHER.min(columns.count) * layout.lanes);
        for (n, totals) in totals.chunks_mut(ROWS * of_vector).enumerate() {
            let vectors = totals.len() / of_vector;
            let rows = rows.vectors(n * ROWS..n * ROWS + vectors);
            for columns in columns.groups([layout.point, layout.column]) {
                let distances = &mut distances[..vectors * columns.count * layout.lanes];
                sides.write_distances(rows, &columns, distances);
                run(rows, columns, distances, totals);
            }
        }
    }

    fn run_few(
        &self,
        row: Packed<'_, T>,
        columns: Columns<'_, T>,
        scratch: &mut [T],
        totals: &mut [R::Total],
        slots: usize,
    ) {
        let (sides, Layout { lanes, point, .. }) = (&self.sides, self.sides.layout());
        let Some(run_few) = self.code.run_few else {
            return;
        };
        let given = usize::from(sides.has_distance()) * columns.count;
        let mut distances = Aligned::zeros(given * lanes);
        if given > 0 {
            // Distances are the same whichever of the points is the row.
            let points: Vec<T> = row.points.iter().step_by(lanes).copied().collect();
            let row = Columns {
                first: 0,
                count: 1,
                points: &points[..point],
                features: &[],
            };
            let columns = Packed {
                points: &columns.points[..given * point * lanes],
                features: &[],
            };
            sides.write_distances(columns, &row, &mut distances);
        }
        let mut tile = Tile {
            params: &sides.params,
            rows: row.features,
            columns,
            distances: &distances,
            scratch,
            totals,
            slots,
        };
        run_few(sides.isa, self.reduction, &mut tile);
    }

    fn merge(&self, totals: &mut [R::Total], others: &[R::Total]) {
        self.reduction.merge(totals, others);
    }

    fn renumber(&self, totals: &mut [R::Total], column: &dyn Fn(usize) -> usize) {
        self.reduction.renumber(totals, column);
    }
}

/// The values of a scalar formula, evaluated in `T`.
pub(crate) struct ValuesCode<T: 'static> {
    pub(super) sides: SidesCode<T>,
    /// Instructions of a pair.
    pub(super) cost: usize,
    /// Writes the values, which takes the place of distances.
    values: fn(InstructionSet, &[T], &[T], &Columns<'_, T>, &mut [T]),
}

impl<T: Real> ValuesCode<T> {
    /// The values of `P`.
    pub(crate) const fn of<P: Pairing>() -> Self {
        Self {
            sides: SidesCode::of::<P>(),
            cost: P::COST,
            values: store_on::<P::Value, T>,
        }
    }
}

/// The values of a problem.
pub(super) struct Values<'c, T: 'static> {
    pub(super) sides: Sides<T>,
    code: &'c ValuesCode<T>,
}

impl<'c, T: Real> Values<'c, T> {
    pub(super) fn new(
        isa: InstructionSet,
        code: &'c ValuesCode<T>,
        problem: &Problem<'_>,
        squares: Option<&Squares>,
    ) -> Self {
        let sides = Sides::new(isa, code.sides, &problem.params, squares);
        Self { sides, code }
    }

    /// Writes the values for some vectors of rows and a tile of columns, by vector, then by column, then by lane.
    pub(super) fn write(&self, rows: Packed<'_, T>, columns: &Columns<'_, T>, values: &mut [T]) {
        let Sides { isa, params, .. } = &self.sides;
        self.sides.write_distances(rows, columns, values);
        let Layout { lanes, row, .. } = self.sides.layout();
        let values = values.chunks_exact_mut(columns.count * lanes);
        for (n, values) in values.enumerate() {
            let row = &rows.features[n * row * lanes..][..row * lanes];
            (self.code.values)(*isa, params, row, columns, values);
        }
    }
}

/// Products of a symmetric scalar formula, evaluated in `T`, whose entries are used twice.
pub(crate) struct MirrorCode<T: 'static> {
    pub(super) sides: SidesCode<T>,
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
            cost: Mirrored::<P, E>::COST,
            vectors: E,
            run: run_mirrored_on::<P::Value, T, E>,
        }
    }
}

/// Such products for a problem.
pub(super) struct Mirror<'c, T: 'static> {
    pub(super) sides: Sides<T>,
    code: &'c MirrorCode<T>,
}

impl<'c, T: Real> Mirror<'c, T> {
    pub(super) fn new(
        isa: InstructionSet,
        code: &'c MirrorCode<T>,
        problem: &Problem<'_>,
        squares: Option<&Squares>,
    ) -> Self {
        let sides = Sides::new(isa, code.sides, &problem.params, squares);
        Self { sides, code }
    }

    /// Multiplies a tile with the weights of its columns into the sums of the rows, which are overwritten, and its transpose with the
    /// weights of its rows onto those of the columns. Sums are stored by point, then by weight, then by lane.
    pub(super) fn run(
        &self,
        rows: &PackedVectors<T>,
        columns: &Columns<'_, T>,
        [row_sums, column_sums]: [&mut [T]; 2],
    ) {
        let Sides { isa, params, .. } = &self.sides;
        let layout = self.sides.layout();
        let length = self.code.vectors * layout.lanes;
        let column_sums = &mut column_sums[..columns.count * length];
        row_sums.fill(T::ZERO);
        if !self.sides.has_distance() {
            let rows = &rows.features;
            return (self.code.run)(*isa, params, rows, columns, &[], [row_sums, column_sums]);
        }
        let mut distances = Aligned::zeros(ROWS * TOGETHER.min(columns.count) * layout.lanes);
        for (n, row_sums) in row_sums.chunks_mut(ROWS * length).enumerate() {
            let vectors = row_sums.len() / length;
            let rows = rows.vectors(n * ROWS..n * ROWS + vectors);
            let groups = columns.groups([layout.point, layout.column]);
            for (columns, column_sums) in groups.zip(column_sums.chunks_mut(TOGETHER * length)) {
                let distances = &mut distances[..vectors * columns.count * layout.lanes];
                self.sides.write_distances(rows, &columns, distances);
                let sums = [&mut *row_sums, column_sums];
                (self.code.run)(*isa, params, rows.features, &columns, distances, sums);
            }
        }
    }
}
