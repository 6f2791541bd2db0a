//! Block-sparse reductions: which pairs of points a reduction takes.

pub mod cluster;
mod intervals;
mod pattern;

pub use intervals::IntoIntervals;
pub(crate) use pattern::{Interval, Pattern};

use crate::Error;
use crate::memory::{collected, room};
use crate::signature::Sizes;
use core::fmt;
use ndarray::{ArrayBase, Data, Ix2};
use pattern::{Names, refused, sum_corners};
use std::sync::Arc;

const NAMES: [Names; 2] = [
    ["ranges_i", "slices_i", "redranges_j"],
    ["ranges_j", "slices_j", "redranges_i"],
];

/// The pairs `(i, j)` of a block-sparse reduction, for the option `ranges` of a call.
///
/// It has two halves. The first serves reductions over `j`: block `k` of rows, `i` in `ranges_i[k]`, is reduced over the columns `j`
/// in the intervals `redranges_j[l]`, `l` from `slices_i[k - 1]` (0 for `k` = 0) to `slices_i[k]`, exclusive. The second serves
/// reductions over `i`, with the letters exchanged. This is the 6-tuple of KeOps.
///
/// - Blocks of rows are disjoint, come in any order and need not cover all rows. Rows of no block, and those of a block without columns, get
///   what a reduction of nothing gives: 0 for a sum, -inf for a log-sum-exp, infinities and index 0 for extreme values.
/// - A column that lies in two intervals of a block counts twice. It then appears twice among the `k` smallest values; which
///   one of several columns with the same value appears for the last of them is not specified.
/// - Indices are those of the points, not of the block.
/// - Intervals of points are `[from, to]` and hold `from..to`.
///
/// The two halves are taken as they are given, and only matter one at a time; usually they hold the same pairs, as from all constructors but
/// [`Ranges::new`]. A copy is cheap.
///
/// ```
/// # use keops_runtime as keops_solve;
/// use keops_solve::Ranges;
///
/// // Rows 0 to 3 with columns 0 to 5, rows 3 to 5 with columns 2 to 4 and 6 to 8; and the same by column.
/// let ranges = Ranges::new(
///     &[[0, 3], [3, 5]], &[1, 3], &[[0, 5], [2, 4], [6, 8]],
///     &[[0, 2], [2, 4], [4, 5], [6, 8]], &[1, 2, 3, 4], &[[0, 3], [0, 5], [0, 3], [3, 5]],
/// )?;
/// assert_eq!(ranges.pairs(), 3 * 5 + 2 * 4);
/// assert_eq!(ranges, Ranges::from_rows(&[[0, 3], [3, 5]], &[1, 3], &[[0, 5], [2, 4], [6, 8]])?);
/// # Ok::<(), keops_runtime::Error>(())
/// ```
///
/// Source: J. Feydy, J. Glaunès, B. Charlier, M. Bronstein, *Fast geometric learning with symbolic matrices*, NeurIPS 2020, and the
/// documentation of KeOps.
#[derive(Clone)]
pub struct Ranges {
    /// The first half, then the second.
    halves: [Arc<Pattern>; 2],
}

impl Ranges {
    /// The ranges of KeOps' 6-tuple.
    ///
    /// # Errors
    /// [`Error::Ranges`] with the entry that is wrong: an interval that ends before it begins; blocks of rows that overlap; slices of
    /// another length than the blocks, that decrease, or that do not end with the number of intervals.
    /// [`Error::Shape`] for an array of other than two columns.
    pub fn new<'a>(
        ranges_i: impl IntoIntervals,
        slices_i: impl IntoIterator<Item = &'a usize>,
        redranges_j: impl IntoIntervals,
        ranges_j: impl IntoIntervals,
        slices_j: impl IntoIterator<Item = &'a usize>,
        redranges_i: impl IntoIntervals,
    ) -> Result<Self, Error> {
        let i = half(NAMES[0], ranges_i, slices_i, redranges_j)?;
        let j = half(NAMES[1], ranges_j, slices_j, redranges_i)?;
        Ok(Self::of_halves(i, j))
    }

    /// The ranges whose first half is given; the second is computed, and holds the same pairs.
    ///
    /// # Errors
    /// As for [`Ranges::new`].
    pub fn from_rows<'a>(
        ranges_i: impl IntoIntervals,
        slices_i: impl IntoIterator<Item = &'a usize>,
        redranges_j: impl IntoIntervals,
    ) -> Result<Self, Error> {
        let i = half(NAMES[0], ranges_i, slices_i, redranges_j)?;
        let j = i.transposed();
        Ok(Self::of_halves(i, j))
    }

    /// The pairs of those blocks of rows `ranges_i[k]` and columns `ranges_j[l]` for which `keep[(k, l)]` holds.
    ///
    /// # Errors
    /// [`Error::Ranges`] if intervals of the same array overlap, or one ends before it begins; [`Error::Shape`] if the shape of `keep`
    /// is not that of the blocks, or an array of intervals has other than two columns.
    ///
    /// ```
    /// # use keops_runtime as keops_solve;
    /// use keops_solve::Ranges;
    /// use ndarray::array;
    ///
    /// let clusters = [[0, 10], [10, 15], [15, 40]];
    /// let neighbours = array![[true, true, false], [true, true, true], [false, true, true]];
    /// let ranges = Ranges::from_matrix(&clusters, &clusters, &neighbours)?;
    /// assert!(ranges.is_symmetric());
    /// assert_eq!(ranges.pairs(), 40 * 40 - 2 * 10 * 25);
    /// # Ok::<(), keops_runtime::Error>(())
    /// ```
    pub fn from_matrix<S: Data<Elem = bool>>(
        ranges_i: impl IntoIntervals,
        ranges_j: impl IntoIntervals,
        keep: &ArrayBase<S, Ix2>,
    ) -> Result<Self, Error> {
        let i = ranges_i.into_intervals("ranges_i")?;
        let j = ranges_j.into_intervals("ranges_j")?;
        if keep.dim() != (i.len(), j.len()) {
            return Err(Error::Shape {
                name: "keep".into(),
                expected: format!(
                    "{} rows and {} columns, one for each of ranges_i and ranges_j",
                    i.len(),
                    j.len()
                ),
                shape: crate::error::shape(keep.shape()),
            });
        }
        let count = keep.iter().filter(|keep| **keep).count();
        let kept = |names: Names,
                    rows: &[[usize; 2]],
                    columns: &[[usize; 2]],
                    keep: ndarray::ArrayView2<'_, bool>| {
            let mut intervals = room(names[2], &[count])?;
            let mut slices = Vec::with_capacity(rows.len());
            for keep in keep.rows() {
                let chosen = columns.iter().zip(keep).filter(|(_, keep)| **keep);
                intervals.extend(chosen.map(|(interval, _)| *interval));
                slices.push(intervals.len());
            }
            Pattern::new(names, rows, &slices, &intervals)
        };
        let [i_names, j_names] = NAMES;
        let mut first = kept(i_names, &i, &j, keep.view())?;
        let mut second = kept(j_names, &j, &i, keep.t())?;
        (first.columns, second.columns) = (second.rows, first.rows);
        Ok(Self::of_halves(first, second))
    }

    /// All pairs of `m` points `i` and `n` points `j`.
    pub fn dense(m: usize, n: usize) -> Self {
        let [i, j] = NAMES;
        Self::of_halves(Pattern::whole(i, m, n), Pattern::whole(j, n, m))
    }

    /// The same pairs with `i` and `j` exchanged: the halves trade places.
    pub fn transpose(&self) -> Self {
        let [i, j] = self.halves.clone();
        Self { halves: [j, i] }
    }

    /// The number of pairs that a reduction over `j` takes, at most the largest `usize`.
    pub fn pairs(&self) -> usize {
        self.halves[0].pairs()
    }

    /// Whether the pairs of the first half are the same with `i` and `j` exchanged, as solving with a symmetric kernel needs it.
    pub fn is_symmetric(&self) -> bool {
        is_transpose(&self.halves[0], &self.halves[0])
    }

    /// Whether both halves hold the same pairs.
    pub fn is_consistent(&self) -> bool {
        is_transpose(&self.halves[0], &self.halves[1])
    }

    /// That both halves hold the same pairs, and the same with `i` and `j` exchanged.
    ///
    /// # Errors
    /// [`Error::Ranges`] if not.
    pub(crate) fn check_symmetry(&self) -> Result<(), Error> {
        if self.is_symmetric() && self.is_consistent() {
            return Ok(());
        }
        Err(Error::Ranges {
            entry: "ranges".into(),
            expected: "with each pair (i, j) the pair (j, i), in both halves, because a system needs a symmetric matrix".into(),
            found: "pairs without their counterparts".into(),
        })
    }

    fn of_halves(i: Pattern, j: Pattern) -> Self {
        Self {
            halves: [Arc::new(i), Arc::new(j)],
        }
    }

    /// The half for a reduction over `axis`, 0 or 1.
    ///
    /// # Errors
    /// [`Error::Ranges`] if it speaks of points that there are not.
    pub(crate) fn half(&self, axis: usize, sizes: Sizes) -> Result<Arc<Pattern>, Error> {
        let half = &self.halves[1 - axis];
        let (rows, columns) = if axis == 1 {
            (("i", sizes.i), ("j", sizes.j))
        } else {
            (("j", sizes.j), ("i", sizes.i))
        };
        for (extent, (index, count)) in [(half.rows, rows), (half.columns, columns)] {
            if extent.end > count {
                let expected = format!("an interval of the {count} points {index}");
                let found = format!("one that ends at {}", extent.end);
                return Err(refused(extent.array, extent.entry, expected, found));
            }
        }
        Ok(Arc::clone(half))
    }
}

/// The half of three arrays.
fn half<'a>(
    names: Names,
    rows: impl IntoIntervals,
    slices: impl IntoIterator<Item = &'a usize>,
    columns: impl IntoIntervals,
) -> Result<Pattern, Error> {
    let slices = collected(names[1], slices.into_iter().copied())?;
    let (rows, columns) = (
        rows.into_intervals(names[0])?,
        columns.into_intervals(names[2])?,
    );
    Pattern::new(names, &rows, &slices, &columns)
}

/// Whether `b` holds the pairs of `a` with rows and columns exchanged.
fn is_transpose(a: &Pattern, b: &Pattern) -> bool {
    let exchanged = b
        .corners()
        .into_iter()
        .map(|(row, column, sign)| (column, row, sign));
    a.corners() == sum_corners(exchanged.collect())
}

/// Whether the same columns are taken, as many times, for every row, and the same rows for every column.
impl PartialEq for Ranges {
    fn eq(&self, other: &Self) -> bool {
        let mut halves = self.halves.iter().zip(&other.halves);
        halves.all(|(a, b)| Arc::ptr_eq(a, b) || a.corners() == b.corners())
    }
}

impl Eq for Ranges {}

/// Without the intervals, of which there may be many.
impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges")
            .field("blocks_i", &self.halves[0].blocks().len())
            .field("blocks_j", &self.halves[1].blocks().len())
            .field("pairs", &self.pairs())
            .finish()
    }
}
