//! Clusters of points, which block-sparse reductions are made of: find them, sort the points by them, and say which pairs of
//! clusters count.
//!
//! ```
//! # use keops_runtime as keops_solve;
//! use keops_solve::Ranges;
//! use keops_solve::ranges::cluster::{cluster_centroids, cluster_ranges, grid_cluster, sort_clusters};
//! use ndarray::{Array2, Axis};
//!
//! let x = Array2::from_shape_fn((100, 2), |(i, k)| ((i * [37, 59][k]) % 100) as f64 / 100.0);
//! let labels = grid_cluster(&x, 0.125)?; // cells of a grid
//! let sorted = sort_clusters([x.view()], &labels)?;
//! let [x] = &sorted.arrays;
//! let ranges = cluster_ranges(&sorted.labels)?;
//! let centres = cluster_centroids(x, &sorted.labels, None)?;
//!
//! // Pairs of points that are farther apart than 0.1 do not count: centres are at most 0.18, the diagonal of a cell, from their points.
//! let keep = Array2::from_shape_fn((ranges.len(), ranges.len()), |(k, l)| {
//!     let difference = &centres.row(k) - &centres.row(l);
//!     difference.dot(&difference).sqrt() < 0.1 + 2.0 * 0.18
//! });
//! let near = Ranges::from_matrix(&ranges, &ranges, &keep)?;
//! assert!(near.is_symmetric() && near.pairs() < 100 * 100);
//!
//! // Results of the sorted points go back into the order of the original ones.
//! assert_eq!(sorted.restore(x.view())?.row(7).to_vec(), [0.59, 0.13]);
//! # Ok::<(), keops_runtime::Error>(())
//! ```

use crate::Error;
use crate::input::Element;
use crate::memory;
use ndarray::{Array2, ArrayBase, ArrayView1, ArrayView2, Axis, Data, Ix2};
use rayon::prelude::*;

/// The cells of a grid: points are in the same cluster if `floor(x / size)` is the same in every component.
///
/// Returns the label of every point. Labels count the cells that have points from 0, in the lexicographic order of their coordinates. Cells are
/// told apart by exact integer coordinates, in any number of dimensions.
///
/// # Errors
/// [`Error::Option`] if `size` is not a positive number, or so small that cells have no exact coordinates;
/// [`Error::NotFinite`] for a point with NaN or an infinity; [`Error::Shape`] if there is no memory for the coordinates of all cells.
pub fn grid_cluster<T: Element, S: Data<Elem = T>>(
    points: &ArrayBase<S, Ix2>,
    size: f64,
) -> Result<Vec<usize>, Error> {
    let refused = |found: String| Error::Option {
        option: "size",
        expected: "a positive number, of at least 2^-53 of every coordinate",
        found,
    };
    if !(size > 0.0 && size.is_finite()) {
        return Err(refused(format!("{size:?}")));
    }
    let (count, dimension) = points.dim();
    let mut labels = memory::repeated(count, 0)?;
    let mut cells = memory::room("the cells", &[count, dimension])?;
    for ((row, column), value) in points.indexed_iter() {
        let value = value.to_f64();
        if !value.is_finite() {
            let name = "points".to_owned();
            return Err(Error::NotFinite {
                name,
                value,
                row,
                column,
            });
        }
        let cell = (value / size).floor();
        if cell.abs() > (1_u64 << f64::MANTISSA_DIGITS) as f64 {
            return Err(refused(format!("{size:?} for {value:?}")));
        }
        cells.push(cell as i64);
    }
    let cell = |point: usize| &cells[point * dimension..][..dimension];
    let mut order: Vec<usize> = (0..count).collect();
    order.par_sort_unstable_by(|&a, &b| cell(a).cmp(cell(b)));
    for pair in order.windows(2) {
        labels[pair[1]] = labels[pair[0]] + usize::from(cell(pair[0]) != cell(pair[1]));
    }
    Ok(labels)
}

/// Arrays whose rows were sorted by the labels of clusters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SortedClusters<T, const N: usize> {
    /// The arrays, sorted.
    pub arrays: [Array2<T>; N],
    /// The labels, sorted.
    pub labels: Vec<usize>,
    /// The row that each sorted row was before.
    pub permutation: Vec<usize>,
}

/// Sorts the rows of arrays by the labels of their clusters; rows of the same cluster stay in order.
///
/// # Errors
/// [`Error::Shape`] if an array has another number of rows than there are labels, or does not fit into memory.
pub fn sort_clusters<T: Element, const N: usize>(
    arrays: [ArrayView2<'_, T>; N],
    labels: &[usize],
) -> Result<SortedClusters<T, N>, Error> {
    for array in &arrays {
        check_rows("an array to sort", array.shape(), labels.len())?;
        memory::check::<T>("the sorted array", array.shape())?;
    }
    let mut permutation: Vec<usize> = (0..labels.len()).collect();
    permutation.par_sort_by_key(|&row| labels[row]);
    Ok(SortedClusters {
        arrays: arrays.map(|array| array.select(Axis(0), &permutation)),
        labels: permutation.iter().map(|&row| labels[row]).collect(),
        permutation,
    })
}

impl<T, const N: usize> SortedClusters<T, N> {
    /// The rows of an array in the order that they had before they were sorted.
    ///
    /// # Errors
    /// [`Error::Shape`] if the array has another number of rows, or does not fit into memory; [`Error::Ranges`] if
    /// [`permutation`](Self::permutation) was changed and is none any more.
    pub fn restore<U: Clone>(&self, sorted: ArrayView2<'_, U>) -> Result<Array2<U>, Error> {
        check_rows(
            "the array to restore",
            sorted.shape(),
            self.permutation.len(),
        )?;
        memory::check::<U>("the restored array", sorted.shape())?;
        let mut places = vec![usize::MAX; self.permutation.len()];
        for (sorted, &row) in self.permutation.iter().enumerate() {
            match places.get_mut(row) {
                Some(place) if *place == usize::MAX => *place = sorted,
                _ => {
                    return Err(Error::Ranges {
                        entry: format!("permutation[{sorted}]"),
                        expected: format!(
                            "each row from 0 to {} once",
                            self.permutation.len().saturating_sub(1)
                        ),
                        found: row.to_string(),
                    });
                }
            }
        }
        Ok(sorted.select(Axis(0), &places))
    }
}

/// The interval of rows of each cluster, from 0 to the largest label, for labels in ascending order. Those of labels that do not occur are
/// empty.
///
/// # Errors
/// [`Error::Ranges`] if a label is less than that before it; [`Error::Option`] if there is no memory for as many clusters.
pub fn cluster_ranges(labels: &[usize]) -> Result<Vec<[usize; 2]>, Error> {
    if let Some(row) = (1..labels.len()).find(|&row| labels[row] < labels[row - 1]) {
        return Err(Error::Ranges {
            entry: format!("labels[{row}]"),
            expected: format!(
                "at least {}, the label before (sort_clusters sorts them)",
                labels[row - 1]
            ),
            found: labels[row].to_string(),
        });
    }
    let clusters = count(labels)?;
    let mut ranges = room(clusters)?;
    let mut start = 0;
    for label in 0..clusters {
        let end = start + labels[start..].partition_point(|&next| next <= label);
        ranges.push([start, end]);
        start = end;
    }
    Ok(ranges)
}

/// The mean of the points of each cluster, weighted if there are weights: an array of shape `(clusters, dimension)`. The mean of no points is
/// NaN. The labels need not be sorted.
///
/// # Errors
/// [`Error::Shape`] if there is another number of points or weights than of labels; [`Error::Option`] if there is no memory for as
/// many clusters.
pub fn cluster_centroids<T: Element, S: Data<Elem = T>>(
    points: &ArrayBase<S, Ix2>,
    labels: &[usize],
    weights: Option<ArrayView1<'_, T>>,
) -> Result<Array2<T>, Error> {
    check_rows("points", points.shape(), labels.len())?;
    if let Some(weights) = &weights {
        check_rows("weights", weights.shape(), labels.len())?;
    }
    let (clusters, dimension) = (count(labels)?, points.ncols());
    let mut sums: Vec<f64> = room(clusters.saturating_mul(dimension))?;
    sums.resize(clusters * dimension, 0.0);
    let mut totals: Vec<f64> = room(clusters)?;
    totals.resize(clusters, 0.0);
    for (row, (point, &label)) in points.rows().into_iter().zip(labels).enumerate() {
        let weight = weights
            .as_ref()
            .map_or(1.0, |weights| weights[row].to_f64());
        totals[label] += weight;
        for (sum, value) in sums[label * dimension..].iter_mut().zip(point) {
            *sum += weight * value.to_f64();
        }
    }
    Ok(Array2::from_shape_fn(
        (clusters, dimension),
        |(label, k)| T::from_f64(sums[label * dimension + k] / totals[label]),
    ))
}

/// The number of clusters: that of labels up to the largest.
fn count(labels: &[usize]) -> Result<usize, Error> {
    let count = labels
        .iter()
        .max()
        .map_or(Some(0), |label| label.checked_add(1));
    count.ok_or_else(|| too_many(usize::MAX))
}

fn room<E>(length: usize) -> Result<Vec<E>, Error> {
    let mut vector = Vec::new();
    vector
        .try_reserve_exact(length)
        .map_err(|_| too_many(length))?;
    Ok(vector)
}

fn too_many(length: usize) -> Error {
    Error::Option {
        option: "labels",
        expected: "so few clusters that they fit into memory",
        found: format!("{length} of them"),
    }
}

fn check_rows(name: &str, shape: &[usize], labels: usize) -> Result<(), Error> {
    if shape[0] == labels {
        return Ok(());
    }
    Err(Error::Shape {
        name: name.to_owned(),
        expected: format!("{labels} rows, one per label"),
        shape: crate::error::shape(shape),
    })
}
