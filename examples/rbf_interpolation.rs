//! Fits noisy samples by kernel ridge regression: a curve with a Gaussian kernel, an image with a Laplacian kernel.

use std::path::PathBuf;

use keops_examples::picture::{Axis, BLUE, GREY, ORANGE, Picture, PictureError};
use keops_examples::progress::Progress;
use keops_examples::{Failure, command_line};
use keops_solve::ndarray::{Array1, Array2, ArrayView1};
use keops_solve::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

const HELP: &str = "
Fits 10 000 noisy samples of a curve, and of an image with outliers, by kernel ridge regression: the weights solve
(alpha Id + K_xx) a = b, and the mean at the points t is K_tx a.

Usage: rbf_interpolation [--output PATH]

  --output PATH  where the picture goes [target/examples-output/rbf_interpolation.png]
";

/// The length scale of both kernels.
const SIGMA: f64 = 0.1;
/// One sample of the curve in so many is drawn.
const DRAWN: usize = 4;
/// The standard deviation of the noise.
const NOISE: f64 = 0.05;

fn main() -> Result<(), Failure> {
    let mut output = PathBuf::from("target/examples-output/rbf_interpolation.png");
    command_line::read(HELP, &mut [("output", &mut output)])?;
    let curve = fit_curve(10_000, 1001)?;
    let image = fit_image(10_000, 101)?;
    plot(&curve, &image)?.save(&output)?;
    println!("Picture: {}", output.display());
    Ok(())
}

/// Samples `b` at the points `x`, and the mean of the fit at the points `t` with its error.
struct Fit {
    x: Array2<f64>,
    b: Array1<f64>,
    t: Array2<f64>,
    mean: Array1<f64>,
    rms_error: f64,
}

impl Fit {
    fn new(
        (x, b): (Array2<f64>, Array1<f64>),
        (t, mean): (Array2<f64>, Array1<f64>),
        truth: impl Fn(ArrayView1<f64>) -> f64,
    ) -> Self {
        let errors = t
            .rows()
            .into_iter()
            .zip(&mean)
            .map(|(t, mean)| mean - truth(t));
        let rms_error = (errors.map(|e| e * e).sum::<f64>() / mean.len() as f64).sqrt();
        Self {
            x,
            b,
            t,
            mean,
            rms_error,
        }
    }
}

fn curve(x: ArrayView1<f64>) -> f64 {
    x[0] + 0.5 * (6.0 * x[0]).sin() + 0.1 * (20.0 * x[0]).sin()
}

/// Fits `n` samples of the curve, and evaluates the mean at `m` points.
fn fit_curve(n: usize, m: usize) -> Result<Fit, Failure> {
    let mut rng = StdRng::seed_from_u64(1);
    let x = Array2::from_shape_simple_fn((n, 1), || rng.random());
    let b = x
        .rows()
        .into_iter()
        .map(|x| curve(x) + NOISE * rng.sample::<f64, _>(StandardNormal));
    let b = Array1::from_iter(b);
    let t = Array1::linspace(0.0, 1.0, m).insert_axis(keops_solve::ndarray::Axis(1));

    let gaussian = lazy!(|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / (2.0 * SIGMA * SIGMA)).exp());
    let k_xx = gaussian.bind(&x, &x);
    let progress = Progress::new("curve");
    let solution = k_xx
        .rhs(&b)
        .alpha(1.0)
        .on_iteration(progress.into_callback())
        .solve()?;
    let mean = gaussian.bind(&t, &x).dot(&solution.values.column(0))?;

    let fit = Fit::new((x, b), (t, mean), curve);
    report("Curve, Gaussian kernel", &solution, &fit);
    Ok(fit)
}

/// A ring around the middle of the unit square.
fn ring(x: ArrayView1<f64>) -> f64 {
    let radius = (x[0] - 0.5).hypot(x[1] - 0.5);
    if (0.3..0.4).contains(&radius) {
        1.0
    } else {
        0.0
    }
}

/// Fits `n` samples of the ring, a quarter of them outliers, and evaluates the mean on a grid of `m` times `m` points.
fn fit_image(n: usize, m: usize) -> Result<Fit, Failure> {
    let mut rng = StdRng::seed_from_u64(2);
    let x = Array2::from_shape_simple_fn((n, 2), || rng.random());
    let b = x.rows().into_iter().map(|x| {
        if rng.random_bool(0.25) {
            rng.random()
        } else {
            ring(x) + NOISE * rng.sample::<f64, _>(StandardNormal)
        }
    });
    let b = Array1::from_iter(b);
    let step = 1.0 / (m - 1) as f64;
    let t = Array2::from_shape_fn((m * m, 2), |(k, c)| step * [k % m, k / m][c] as f64);

    let laplacian = lazy!(|x: Vi(2), y: Vj(2)| (-(x - y).norm2() / SIGMA).exp());
    let k_xx = laplacian.bind(&x, &x);
    let progress = Progress::new("image");
    let solution = k_xx
        .rhs(&b)
        .alpha(10.0)
        .on_iteration(progress.into_callback())
        .solve()?;
    let mean = laplacian.bind(&t, &x).dot(&solution.values.column(0))?;

    let fit = Fit::new((x, b), (t, mean), ring);
    report("Image, Laplacian kernel", &solution, &fit);
    Ok(fit)
}

fn report(what: &str, solution: &Solution<f64>, fit: &Fit) {
    let (iterations, seconds) = (solution.iterations, solution.elapsed.as_secs_f64());
    println!(
        "{what}: {iterations} iterations in {seconds:.2} s, RMS error {:.4} at {} points",
        fit.rms_error,
        fit.mean.len()
    );
}

fn plot(line: &Fit, image: &Fit) -> Result<Picture, PictureError> {
    let title = "Kernel ridge regression on 10 000 noisy samples";
    let mut picture = Picture::new(1000, 920, title)?;

    let (x, y) = (Axis::linear("x", 0.0, 1.0), Axis::linear("b", -0.3, 1.3));
    let heading = "Gaussian kernel, σ = 0.1, α = 1";
    let mut panel = picture.panel(heading, [0.0, 0.0, 1.0, 0.44], x, y)?;
    let samples = line
        .x
        .column(0)
        .into_iter()
        .copied()
        .zip(line.b.iter().copied());
    panel.dots(samples.step_by(DRAWN), GREY, 1.8, 0.5, "samples, 1 in 4")?;
    let times = || line.t.column(0).into_iter();
    let truth = line.t.rows().into_iter().map(|t| (t[0], curve(t)));
    panel.line(truth, BLUE, 4.5, "truth")?;
    panel.line(
        times().copied().zip(line.mean.iter().copied()),
        ORANGE,
        1.8,
        "mean",
    )?;
    panel.legend()?;

    let range = [0.0, 1.0];
    let axes = (Axis::linear("x₁", 0.0, 1.0), Axis::linear("x₂", 0.0, 1.0));
    let coloured = |points: &Array2<f64>, values: &Array1<f64>| -> Vec<_> {
        let points = points.rows().into_iter().zip(values);
        points.map(|(p, &value)| (p[0], p[1], value)).collect()
    };
    let heading = "Samples, a quarter of them outliers";
    let mut panel = picture.panel(heading, [0.0, 0.44, 0.5, 1.0], axes.0, axes.1)?;
    let samples = coloured(&image.x, &image.b);
    panel.coloured_dots(samples, 2.0, range)?;
    let heading = "Laplacian kernel, σ = 0.1, α = 10";
    let mut panel = picture.panel(heading, [0.5, 0.44, 1.0, 1.0], axes.0, axes.1)?;
    let step = 1.0 / ((image.mean.len() as f64).sqrt() - 1.0);
    panel.cells(coloured(&image.t, &image.mean), step, range)?;
    panel.colour_key(range)?;
    Ok(picture)
}

#[test]
fn fits_are_close_to_the_truth() {
    let curve = fit_curve(1000, 51).unwrap();
    // The noise is averaged away, and the curve is not so rough that the kernel smoothes much of it.
    assert!(curve.rms_error < 0.02, "{}", curve.rms_error);
    let image = fit_image(1000, 21).unwrap();
    // Better than the best constant.
    let ones = image.t.rows().into_iter().map(ring).sum::<f64>() / image.t.nrows() as f64;
    let constant = (ones * (1.0 - ones)).sqrt();
    assert!(
        image.rms_error < 0.85 * constant,
        "{} of {constant}",
        image.rms_error
    );
    plot(&curve, &image).unwrap();
}
