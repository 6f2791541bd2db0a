//! Sums of a narrow kernel over all pairs of points, and over those of clusters that are near each other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keops_examples::picture::{Axis, BLUE, GREY, ORANGE, Picture, PictureError};
use keops_examples::{Failure, command_line};
use keops_solve::Error;
use keops_solve::ndarray::{Array2, ArrayView2, s};
use keops_solve::prelude::*;
use keops_solve::ranges::cluster::{cluster_ranges, grid_cluster, sort_clusters};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

const HELP: &str = "
Sums sum_j exp(-|x_i - x_j|^2 / (2 sigma^2)) b_j over 100 000 points of the plane: over all pairs, and over those pairs of
clusters of points that are closer than a cutoff. Every pair left out is farther apart than that, which bounds the error.

Usage: block_sparse [--output PATH]

  --output PATH  where the picture goes [target/examples-output/block_sparse.png]
";

/// The width of the kernel.
const SIGMA: f64 = 0.01;
/// Pairs that are farther apart may be left out: a term is below 1e-9.
const CUTOFF: f64 = 6.5 * SIGMA;
/// The side of a cell of the grid that makes the clusters.
const CELL: f64 = 0.025;

fn main() -> Result<(), Failure> {
    let mut output = PathBuf::from("target/examples-output/block_sparse.png");
    command_line::read(HELP, &mut [("output", &mut output)])?;
    let comparison = compare(100_000)?;
    comparison.report();
    plot(&comparison)?.save(&output)?;
    println!("Picture: {}", output.display());
    Ok(())
}

/// What came out both ways.
struct Comparison {
    /// The points, sorted by clusters.
    x: Array2<f64>,
    /// The rows of each cluster.
    clusters: Vec<[usize; 2]>,
    /// Which clusters are near each other.
    near: Array2<bool>,
    /// The sums over near clusters.
    sums: Array2<f64>,
    /// The share of all pairs that this took.
    share: f64,
    /// The times over all pairs and over those of near clusters, the latter with all preparations.
    times: [Duration; 2],
    /// The largest difference of the sums.
    error: f64,
    /// What it cannot exceed, but for rounding errors.
    bound: f64,
}

/// Draws `n` points, and computes the sums both ways.
fn compare(n: usize) -> Result<Comparison, Error> {
    let (x, b) = draw(n);
    let conv = genred!(
        |x: Vi(2), y: Vj(2), b: Vj(1)| (-x.sqdist(y) / (2.0 * SIGMA * SIGMA)).exp() * b,
        axis = 1
    );

    let start = Instant::now();
    let dense = conv.bind(&x, &x, &b).run()?;
    let dense_time = start.elapsed();

    let start = Instant::now();
    let labels = grid_cluster(&x, CELL)?;
    let sorted = sort_clusters([x.view(), b.view()], &labels)?;
    let clusters = cluster_ranges(&sorted.labels)?;
    let [x, b] = &sorted.arrays;
    let near = near(x, &clusters);
    let ranges = Ranges::from_matrix(&clusters, &clusters, &near)?;
    let sums = conv.bind(x, x, b).ranges(&ranges).run()?;
    let time = start.elapsed();

    let difference = sorted.restore(sums.view())? - dense;
    let error = difference.iter().fold(0.0, |error, d| d.abs().max(error));
    let largest_term = (-CUTOFF * CUTOFF / (2.0 * SIGMA * SIGMA)).exp();
    let [x, b] = sorted.arrays;
    Ok(Comparison {
        x,
        clusters,
        near,
        sums,
        share: ranges.pairs() as f64 / (n as f64).powi(2),
        times: [dense_time, time],
        error,
        bound: largest_term * b.iter().map(|b| b.abs()).sum::<f64>(),
    })
}

/// Points in the unit square, two thirds of them along a spiral, and a number in [0, 1] for each.
fn draw(n: usize) -> (Array2<f64>, Array2<f64>) {
    let mut rng = StdRng::seed_from_u64(3);
    let mut x = Array2::zeros((n, 2));
    for (i, mut x) in x.rows_mut().into_iter().enumerate() {
        if i % 3 == 0 {
            x.map_inplace(|x| *x = rng.random());
        } else {
            let t: f64 = rng.random::<f64>().sqrt();
            let (sin, cos) = (4.0 * std::f64::consts::PI * t).sin_cos();
            for (x, direction) in x.iter_mut().zip([cos, sin]) {
                let noise: f64 = rng.sample(StandardNormal);
                *x = (0.5 + 0.45 * t * direction + 0.01 * noise).clamp(0.0, 1.0);
            }
        }
    }
    let b = Array2::from_shape_simple_fn((n, 1), || rng.random());
    (x, b)
}

/// Which clusters have bounding boxes that are closer than the cutoff.
fn near(x: &Array2<f64>, clusters: &[[usize; 2]]) -> Array2<bool> {
    let bounds = |points: ArrayView2<f64>| -> [[f64; 2]; 2] {
        [0, 1].map(|k| {
            let values = points.column(k);
            [
                values.iter().copied().fold(f64::INFINITY, f64::min),
                values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            ]
        })
    };
    let boxes: Vec<_> = clusters
        .iter()
        .map(|&[from, to]| bounds(x.slice(s![from..to, ..])))
        .collect();
    let gap = |a: [f64; 2], b: [f64; 2]| (a[0] - b[1]).max(b[0] - a[1]).max(0.0);
    Array2::from_shape_fn((boxes.len(), boxes.len()), |(k, l)| {
        let gaps = [0, 1].map(|d| gap(boxes[k][d], boxes[l][d]));
        gaps[0].hypot(gaps[1]) <= CUTOFF
    })
}

impl Comparison {
    fn report(&self) {
        let [dense, sparse] = self.times.map(|time| time.as_secs_f64());
        let (n, clusters) = (self.x.nrows(), self.clusters.len());
        println!("{n} points in {clusters} clusters");
        println!("all pairs: {dense:.3} s");
        println!(
            "pairs of near clusters, {:.2} % of all: {sparse:.3} s, clustering included; {:.0} times as fast",
            100.0 * self.share,
            dense / sparse
        );
        println!(
            "largest error {:.1e}, bound {:.1e}; the sums are up to {:.0}",
            self.error,
            self.bound,
            self.largest_sum()
        );
    }

    fn largest_sum(&self) -> f64 {
        self.sums.iter().copied().fold(0.0, f64::max)
    }

    /// The cluster with most points.
    fn largest_cluster(&self) -> usize {
        let sizes = self.clusters.iter().map(|[from, to]| to - from);
        sizes
            .enumerate()
            .max_by_key(|&(_, size)| size)
            .map_or(0, |(cluster, _)| cluster)
    }
}

fn plot(comparison: &Comparison) -> Result<Picture, PictureError> {
    let mut picture = Picture::new(1000, 560, "Sums over the pairs of near clusters")?;
    let axes = || (Axis::linear("x₁", 0.0, 1.0), Axis::linear("x₂", 0.0, 1.0));
    // As many dots as can be told apart.
    let step = comparison.x.nrows().div_ceil(12_000);
    let points = |rows: std::ops::Range<usize>| {
        rows.step_by(step)
            .map(|row| (comparison.x[(row, 0)], comparison.x[(row, 1)]))
    };

    let (x, y) = axes();
    let mut panel = picture.panel("Clusters", [0.0, 0.0, 0.5, 1.0], x, y)?;
    panel.dots(points(0..comparison.x.nrows()), GREY, 1.0, 0.5, "points")?;
    let chosen = comparison.largest_cluster();
    for (cluster, &[from, to]) in comparison.clusters.iter().enumerate() {
        if cluster != chosen && comparison.near[(chosen, cluster)] {
            panel.dots(points(from..to), BLUE, 1.2, 1.0, "")?;
        }
    }
    panel.dots([], BLUE, 1.2, 1.0, "its neighbours")?;
    let [from, to] = comparison.clusters[chosen];
    panel.dots(points(from..to), ORANGE, 1.2, 1.0, "a cluster")?;
    panel.legend()?;

    let (x, y) = axes();
    let heading = "Sums, Gaussian kernel, σ = 0.01";
    let mut panel = picture.panel(heading, [0.5, 0.0, 1.0, 1.0], x, y)?;
    let range = [0.0, comparison.largest_sum().ceil()];
    let coloured = points(0..comparison.x.nrows())
        .zip(comparison.sums.iter().step_by(step))
        .map(|((x, y), &sum)| (x, y, sum));
    panel.coloured_dots(coloured, 1.2, range)?;
    panel.colour_key(range)?;
    Ok(picture)
}

#[test]
fn the_error_is_below_its_bound() {
    let comparison = compare(3000).unwrap();
    let rounding = 1e-12 * comparison.largest_sum();
    assert!(comparison.error <= comparison.bound + rounding);
    assert!(comparison.bound < 1e-5);
    // A disc of the cutoff and two cells more would be a twentieth of the square; the spiral is denser.
    assert!(
        (0.01..0.2).contains(&comparison.share),
        "{}",
        comparison.share
    );
    plot(&comparison).unwrap();
}
