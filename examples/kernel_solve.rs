//! Solves a linear system of a Gaussian kernel matrix on 5000 points, without the matrix, and compares with the
//! classical way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use keops_examples::picture::{Axis, BLUE, GREY, Picture, PictureError};
use keops_examples::progress::Progress;
use keops_examples::{Failure, command_line, dense};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const HELP: &str = "
Solves (alpha Id + K) a = b for the Gaussian kernel matrix K of 5000 random points in the unit square and two right-hand
sides, by conjugate gradients without storing K, and by a dense Cholesky factorisation.

Usage: kernel_solve [--output PATH]

  --output PATH  where the picture goes [target/examples-output/kernel_solve.png]
";

const ALPHA: f64 = 0.01;
const SIGMA: f32 = 0.1;

fn main() -> Result<(), Failure> {
    let mut output = PathBuf::from("target/examples-output/kernel_solve.png");
    command_line::read(HELP, &mut [("output", &mut output)])?;
    let comparison = run(5000)?;
    comparison.plot()?.save(&output)?;
    println!("Picture: {}", output.display());
    Ok(())
}

/// The same system solved in two ways.
struct Comparison {
    keops: Array2<f32>,
    dense: Array2<f64>,
}

fn run(n: usize) -> Result<Comparison, Failure> {
    let mut rng = StdRng::seed_from_u64(1);
    let x: Array2<f32> = Array2::from_shape_simple_fn((n, 2), || rng.random());
    let b: Array2<f32> = Array2::from_shape_simple_fn((n, 2), || rng.random());
    let g = 1.0 / (2.0 * SIGMA * SIGMA);

    let kinv = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vj(2),
        g = Pm(1)
    );
    let progress = Progress::new("keops-solve");
    let solution = kinv
        .bind(&x, &x, &b, g)
        .alpha(ALPHA)
        .on_iteration(progress.into_callback())
        .solve()?;
    report("keops-solve, without the matrix", solution.elapsed);
    println!(
        "  {} iterations, residual {:.1e}",
        solution.iterations, solution.columns[0].rms
    );

    let started = Instant::now();
    let (x, g) = (x.mapv(f64::from), f64::from(g));
    let entry = |i, j| {
        let (dx, dy) = (x[(i, 0)] - x[(j, 0)], x[(i, 1)] - x[(j, 1)]);
        (-g * (dx * dx + dy * dy)).exp() + if i == j { ALPHA } else { 0.0 }
    };
    let dense = dense::solve(entry, &b.mapv(f64::from))?;
    report(
        "Dense Cholesky factorisation (faer, f64)",
        started.elapsed(),
    );

    let comparison = Comparison {
        keops: solution.values,
        dense,
    };
    println!("Relative error = {:.2e}", comparison.relative_error());
    Ok(comparison)
}

fn report(what: &str, time: Duration) {
    println!("{what}: {:.3} s", time.as_secs_f64());
}

impl Comparison {
    /// The norm of the difference relative to that of the solution.
    fn relative_error(&self) -> f64 {
        let norm = |a: &Array2<f64>| a.iter().map(|v| v * v).sum::<f64>().sqrt();
        norm(&(self.keops.mapv(f64::from) - &self.dense)) / norm(&self.dense)
    }

    /// The first 40 values of both solutions, a panel for each column.
    fn plot(&self) -> Result<Picture, PictureError> {
        let shown = self.dense.nrows().min(40);
        let largest = self
            .dense
            .rows()
            .into_iter()
            .take(shown)
            .flatten()
            .fold(0.0, |m: f64, v| m.max(v.abs()));
        let title = format!(
            "(α Id + K) a = b with a Gaussian kernel, {} points in the unit square",
            self.dense.nrows()
        );
        let mut picture = Picture::new(1100, 640, &title)?;
        for (c, panel) in [[0.0, 0.0, 1.0, 0.5], [0.0, 0.5, 1.0, 1.0]]
            .into_iter()
            .enumerate()
        {
            let x = Axis::linear("row i", -1.0, shown as f64);
            let y = Axis::linear("aᵢ", -1.15 * largest, 1.15 * largest);
            let heading = format!(
                "Solution for right-hand side {}, first {shown} values",
                c + 1
            );
            let mut panel = picture.panel(&heading, panel, x, y)?;
            let at = |(i, value)| (i as f64, value);
            let dense = self.dense.column(c);
            panel.line(
                dense.iter().copied().enumerate().take(shown).map(at),
                GREY,
                1.0,
                "",
            )?;
            panel.dots(
                dense.iter().copied().enumerate().take(shown).map(at),
                GREY,
                6.5,
                1.0,
                "dense Cholesky, f64",
            )?;
            let keops = self.keops.column(c).mapv(f64::from);
            panel.dots(
                keops.iter().copied().enumerate().take(shown).map(at),
                BLUE,
                3.0,
                1.0,
                "keops-solve, f32",
            )?;
            if c == 0 {
                panel.legend()?;
            }
        }
        Ok(picture)
    }
}

#[test]
fn both_ways_agree() {
    let comparison = run(150).unwrap();
    assert!(comparison.relative_error() < 1e-4);
    comparison.plot().unwrap();
}
