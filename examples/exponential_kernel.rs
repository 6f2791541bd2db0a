//! Solves a system of an exponential kernel in three dimensions in double precision, and checks the residual with a
//! reduction of its own.

use std::path::PathBuf;

use keops_examples::picture::{Axis, BLUE, GREY, ORANGE, Picture, PictureError};
use keops_examples::progress::Progress;
use keops_examples::{Failure, command_line};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

const HELP: &str = "
Solves (alpha Id + K) a = b for the kernel exp(-|x - y|) of 10 000 normally distributed points in three dimensions and two
right-hand sides, in double precision, and recomputes the residual.

Usage: exponential_kernel [--output PATH]

  --output PATH  where the picture goes [target/examples-output/exponential_kernel.png]
";

const ALPHA: f64 = 0.1;
/// The tolerance: the root mean square of each column's residual.
const EPS: f64 = 1e-6;

fn main() -> Result<(), Failure> {
    let mut output = PathBuf::from("target/examples-output/exponential_kernel.png");
    command_line::read(HELP, &mut [("output", &mut output)])?;
    let summary = run(10_000)?;
    println!("Mean residual norm = {:.2e}", summary.mean_residual);
    plot(&summary.history)?.save(&output)?;
    println!("Picture: {}", output.display());
    Ok(())
}

struct Summary {
    /// The mean over the points of `|r_i|`, the norm of the residual's row of two columns.
    mean_residual: f64,
    /// The root mean square of each column's residual after each iteration.
    history: Vec<Vec<f64>>,
}

fn run(n: usize) -> Result<Summary, Failure> {
    let mut rng = StdRng::seed_from_u64(1);
    let x = Array2::from_shape_simple_fn((n, 3), || rng.sample::<f64, _>(StandardNormal));
    let b = Array2::from_shape_simple_fn((n, 2), || rng.sample::<f64, _>(StandardNormal));

    let kinv = kernel_solve!("Exp(-Norm2(x-y))*a", x = Vi(3), y = Vj(3), a = Vj(2));
    let progress = Progress::new("exponential kernel");
    let solution = kinv
        .bind(&x, &x, &b)
        .alpha(ALPHA)
        .eps(EPS)
        .on_iteration(progress.into_callback())
        .solve()?;
    let (iterations, seconds) = (solution.iterations, solution.elapsed.as_secs_f64());
    println!("{n} points: {iterations} iterations in {seconds:.2} s");

    let a = &solution.values;
    let product = genred!(
        "Exp(-Norm2(x-y))*a",
        x = Vi(3),
        y = Vj(3),
        a = Vj(2),
        axis = 1
    );
    let residual = ALPHA * a + product.bind(&x, &x, a).run()? - &b;
    let norms = residual.rows().into_iter().map(|row| row.dot(&row).sqrt());
    Ok(Summary {
        mean_residual: norms.sum::<f64>() / n as f64,
        history: solution.history,
    })
}

/// How the residuals went down.
fn plot(history: &[Vec<f64>]) -> Result<Picture, PictureError> {
    let iterations = history.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let highest = history.iter().flatten().copied().fold(1.0, f64::max);
    let x = Axis::linear("iteration", 0.0, iterations);
    let y = Axis::logarithmic("residual, root mean square", 0.3 * EPS, 3.0 * highest);
    let title = "(α Id + K) a = b with the kernel exp(−‖x − y‖), 10 000 points in 3D, f64";
    let mut picture = Picture::new(1000, 560, title)?;
    let heading = "Conjugate gradients, α = 0.1";
    let mut panel = picture.panel(heading, [0.0, 0.0, 1.0, 1.0], x, y)?;
    panel.dashes((0.0, EPS), (iterations, EPS), GREY, "tolerance")?;
    for (c, (residuals, colour)) in history.iter().zip([BLUE, ORANGE]).enumerate() {
        let points = residuals.iter().enumerate().map(|(k, &r)| (k as f64, r));
        panel.line(points, colour, 2.0, &format!("right-hand side {}", c + 1))?;
    }
    panel.legend()?;
    Ok(picture)
}

#[test]
fn the_residual_is_small() {
    let summary = run(200).unwrap();
    // By Jensen's inequality the mean is at most sqrt(2) EPS for two columns.
    assert!(summary.mean_residual <= 2e-6);
    assert_eq!(summary.history.len(), 2);
    plot(&summary.history).unwrap();
}
