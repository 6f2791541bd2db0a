//! Fits the parameters of a composite kernel, and the noise, to the carbon dioxide in the atmosphere by maximising the marginal likelihood with its
//! gradient, and forecasts with error bars.
//!
//! The kernel is a trend plus seasons that may change plus a wiggle over the medium term (C. E. Rasmussen, C. K. I. Williams, *Gaussian Processes for
//! Machine Learning* (2006), section 5.4.3). All its parameters are logarithms, in one vector `p`, and one more formula, the derivative of the kernel
//! in a direction of parameters, gives the gradient. Parameters are fitted to every sixth value before the last four years, which takes a second or so and
//! changes little; the forecast is made from all values before.

use std::f64::consts::PI;
use std::path::PathBuf;

use keops_examples::bfgs::{self, Step};
use keops_examples::picture::{Axis, BLUE, GREY, ORANGE, Picture, PictureError};
use keops_examples::series::{self, Series};
use keops_examples::{Failure, command_line};
use keops_solve::gp::Prediction;
use keops_solve::ndarray::Array1;
use keops_solve::prelude::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/co2_weekly.csv");

const HELP: &str = "
Fits a Gaussian process to a series of atmospheric CO2 by maximum likelihood, and forecasts its last four years with error bars.

Usage: co2_likelihood [--data PATH] [--output PATH]

  --data PATH    a CSV file of two columns under one line of headings, the decimal year and the CO2 in ppm, over twelve
                 years or more [the weekly means at Mauna Loa, examples/data/co2_weekly.csv]
  --output PATH  where the picture goes [target/examples-output/co2_likelihood.png]
";

/// The years that are held out.
const HELD_OUT: f64 = 4.0;
/// The years that a series must have.
const LEAST_YEARS: f64 = 12.0;
/// Parameters are fitted to one value of so many.
const THINNED: usize = 6;
/// The largest number of steps of the optimiser.
const MOST_STEPS: usize = 60;
/// The rise of the log likelihood that is not worth another step.
const LEAST_RISE: f64 = 5e-3;

/// The parameters, and from where they are fitted: amplitudes in ppm, lengths of time in years. The last belongs to the noise, not to the kernel.
const PARAMETERS: [(&str, f64); 9] = [
    ("trend", 50.0),
    ("its length", 50.0),
    ("season", 3.0),
    ("its length", 50.0),
    ("its shape", 1.0),
    ("wiggle", 1.0),
    ("its length", 1.0),
    ("its shape", 1.0),
    ("noise", 0.5),
];

/// The kernel of the parameters `p`, or, with the arguments of `diff`, its derivative in a direction.
macro_rules! composite {
    ($($direction:ident)?) => {
        lazy!(|x: Vi(1), y: Vj(1), p: Pm(8) $(, $direction: Pm(8))?| {
            let r2 = x.sqdist(y);
            let trend = (2.0 * p.elem(0) - 0.5 * r2 * (-2.0 * p.elem(1)).exp()).exp();
            let period = (PI * (x - y)).sin();
            let changes = 0.5 * r2 * (-2.0 * p.elem(3)).exp();
            let season = (2.0 * p.elem(2) - changes - 2.0 * period.square() * (-2.0 * p.elem(4)).exp()).exp();
            let shape = p.elem(7).exp();
            let wiggle = (2.0 * p.elem(5)).exp() * (1.0 + 0.5 * r2 * (-2.0 * p.elem(6)).exp() / shape).powf(-shape);
            (trend + season + wiggle) $(.diff(p, $direction))?
        })
    };
}

fn main() -> Result<(), Failure> {
    let mut data = PathBuf::from(DATA);
    let mut output = PathBuf::from("target/examples-output/co2_likelihood.png");
    command_line::read(HELP, &mut [("data", &mut data), ("output", &mut output)])?;
    let series = series::read(&data, LEAST_YEARS)?;
    let (past, future) = series.split_at(series.span().1 - HELD_OUT);

    println!("step  log likelihood  |gradient|");
    let report = |step: &Step| {
        println!(
            "{:4}  {:14.3}  {:10.2e}",
            step.number, step.value, step.norm
        );
    };
    let fitted = fit(&past, THINNED, report)?;
    for ((name, start), value) in PARAMETERS.iter().zip(&fitted) {
        println!("{name:10} {start:8.3} -> {:8.3}", value.exp());
    }
    let forecast = forecast(past, future, &fitted)?;
    println!(
        "Forecast of the last {HELD_OUT} years ({} values) from the {} before: RMSE = {:.3} ppm, {:.0} % within two standard deviations",
        forecast.future.values.len(),
        forecast.past.values.len(),
        forecast.rms_error,
        100.0 * forecast.covered,
    );
    plot(&forecast)?.save(&output)?;
    println!("Picture: {}", output.display());
    Ok(())
}

/// The times, counted from the first, and the values, without their mean.
fn centred(series: &Series) -> (Array1<f64>, Array1<f64>) {
    let (first, level) = origin(series);
    (
        series.times.iter().map(|time| time - first).collect(),
        series.values.iter().map(|value| value - level).collect(),
    )
}

/// The first time and the mean.
fn origin(series: &Series) -> (f64, f64) {
    let count = series.values.len() as f64;
    (series.span().0, series.values.iter().sum::<f64>() / count)
}

/// The parameters of largest likelihood.
fn fit(past: &Series, thinned: usize, report: impl FnMut(&Step)) -> Result<Vec<f64>, Failure> {
    let thin = |values: &[f64]| values.iter().copied().step_by(thinned).collect();
    let (x, y) = centred(&Series {
        times: thin(&past.times),
        values: thin(&past.values),
    });
    let start = PARAMETERS.map(|(_, value)| value.ln());
    let likelihood = |p: &[f64]| likelihood(&x, &y, p);
    bfgs::maximise(&start, MOST_STEPS, LEAST_RISE, likelihood, report)
}

/// The log marginal likelihood, and its gradient by the parameters.
fn likelihood(x: &Array1<f64>, y: &Array1<f64>, p: &[f64]) -> Result<(f64, Vec<f64>), Failure> {
    let (p, noise) = (&p[..8], p[8]);
    let alpha = (2.0 * noise).exp();
    let k_xx = composite!().bind(x, x, p);
    let posterior = GaussianProcess::new(k_xx.operator()?, alpha).fit(y)?;
    let value = posterior.log_marginal_likelihood()?.value;

    let directions: Vec<[f64; 8]> = (0..8)
        .map(|k| std::array::from_fn(|i| f64::from(i == k)))
        .collect();
    let derivative = composite!(direction);
    let bound: Vec<_> = directions
        .iter()
        .map(|direction| derivative.bind(x, x, p, direction))
        .collect();
    let operators = bound
        .iter()
        .map(|matrix| matrix.operator())
        .collect::<Result<Vec<_>, _>>()?;
    let operators: Vec<&dyn LinearOperator> = operators.iter().map(|o| o as _).collect();
    let gradient = posterior.log_marginal_likelihood_gradient(&operators)?;
    let by_noise = 2.0 * alpha * gradient.alpha.value;
    let by_parameters = gradient.parameters.iter().map(|slope| slope.value);
    Ok((value, by_parameters.chain([by_noise]).collect()))
}

struct Forecast {
    /// What the forecast is made from.
    past: Series,
    /// What is held out.
    future: Series,
    /// From the beginning to two years after the end of the data: the mean, and two standard deviations of an observation.
    times: Vec<f64>,
    mean: Vec<f64>,
    margin: Vec<f64>,
    /// The error in the years that are held out.
    rms_error: f64,
    /// The part of the values held out that are no further from the forecast than the margin.
    covered: f64,
}

fn forecast(past: Series, future: Series, p: &[f64]) -> Result<Forecast, Failure> {
    let (x, y) = centred(&past);
    let (first, level) = origin(&past);
    let (p, alpha) = (&p[..8], (2.0 * p[8]).exp());
    let kernel = composite!();
    let k_xx = kernel.bind(&x, &x, p);
    let posterior = GaussianProcess::new(k_xx.operator()?, alpha).fit(&y)?;
    let predict = |times: &[f64]| -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let t = Array1::from_iter(times.iter().map(|time| time - first));
        let (k_tx, k_tt) = (kernel.bind(&t, &x, p), kernel.bind(&t, &t, p));
        let Prediction { mean, variance, .. } = posterior.predict(&k_tx, &k_tt)?;
        let mean = mean.iter().map(|value| value + level).collect();
        let margin = variance.iter().map(|v| 2.0 * (v + alpha).sqrt()).collect();
        Ok((mean, margin))
    };
    let (mean, margin) = predict(&future.times)?;
    let errors: Vec<f64> = mean
        .iter()
        .zip(&future.values)
        .map(|(m, v)| m - v)
        .collect();
    let count = errors.len() as f64;
    let rms_error = (errors.iter().map(|e| e * e).sum::<f64>() / count).sqrt();
    let inside = errors
        .iter()
        .zip(&margin)
        .filter(|(e, margin)| e.abs() <= **margin);
    let covered = inside.count() as f64 / count;
    let last = future.span().1;
    let steps = ((last + 2.0 - first) * 25.0) as usize;
    let times: Vec<_> = (0..=steps).map(|k| first + k as f64 / 25.0).collect();
    let (mean, margin) = predict(&times)?;
    Ok(Forecast {
        past,
        future,
        times,
        mean,
        margin,
        rms_error,
        covered,
    })
}

fn plot(forecast: &Forecast) -> Result<Picture, PictureError> {
    let Forecast {
        past,
        future,
        times,
        mean,
        margin,
        ..
    } = forecast;
    let ((first, _), (from, _)) = (past.span(), future.span());
    let end = times.last().copied().unwrap_or(from);
    let title = "Atmospheric CO₂: a Gaussian process, fitted by maximum likelihood";
    let mut picture = Picture::new(1100, 840, title)?;
    let band = |begin: f64| {
        let all = times.iter().zip(mean).zip(margin);
        all.filter(move |((t, _), _)| **t >= begin)
            .map(|((&t, &m), &d)| (t, m - d, m + d))
    };
    let line = |begin: f64| band(begin).map(|(t, low, high)| (t, 0.5 * (low + high)));
    let axis = |begin: f64| {
        let (low, high) = band(begin).fold(
            (f64::INFINITY, f64::NEG_INFINITY),
            |(a, b), (_, low, high)| (a.min(low), b.max(high)),
        );
        let room = 0.06 * (high - low);
        Axis::linear("CO₂ in ppm", low - room, high + room)
    };
    let points = |s: &Series| -> Vec<_> {
        let values = s.values.iter().copied();
        s.times.iter().copied().zip(values).collect()
    };

    let x = Axis::linear("year", first - 0.5, end + 0.5);
    let mut panel = picture.panel("The series", [0.0, 0.0, 1.0, 0.48], x, axis(first))?;
    panel.shade(from, end)?;
    panel.band(band(first), ORANGE, 0.3, "")?;
    panel.dots(points(past), GREY, 1.8, 1.0, "")?;
    panel.dots(points(future), BLUE, 1.8, 1.0, "")?;
    panel.line(line(first), ORANGE, 1.2, "")?;

    let begin = (from - 6.0).max(first);
    let x = Axis::linear("year", begin, end);
    let heading = "The last years: the forecast knows nothing of the shaded ones";
    let mut panel = picture.panel(heading, [0.0, 0.48, 1.0, 1.0], x, axis(begin))?;
    panel.shade(from, end)?;
    panel.band(band(begin), ORANGE, 0.3, "two standard deviations")?;
    panel.dots(points(&past.split_at(begin).1), GREY, 2.6, 1.0, "data")?;
    panel.dots(points(future), BLUE, 2.6, 1.0, "held out")?;
    panel.line(line(begin), ORANGE, 2.0, "mean")?;
    panel.legend()?;
    Ok(picture)
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let all = series::read(DATA.as_ref(), LEAST_YEARS).unwrap();
    let thin = |values: Vec<f64>| values.into_iter().step_by(25).collect();
    let (x, y) = centred(&Series {
        times: thin(all.times),
        values: thin(all.values),
    });
    let p = PARAMETERS.map(|(_, value)| value.ln());
    let (_, gradient) = likelihood(&x, &y, &p).unwrap();
    for k in 0..p.len() {
        let at = |h: f64| {
            let mut p = p;
            p[k] += h;
            likelihood(&x, &y, &p).unwrap().0
        };
        let slope = (at(1e-4) - at(-1e-4)) / 2e-4;
        assert!(
            (gradient[k] - slope).abs() < 1e-4 * (1.0 + slope.abs()),
            "{k}: {} {slope}",
            gradient[k]
        );
    }
}

#[test]
fn the_likelihood_rises_and_the_forecast_is_plotted() {
    let all = series::read(DATA.as_ref(), LEAST_YEARS).unwrap();
    let (past, future) = all.split_at(all.span().1 - HELD_OUT);
    let mut values = Vec::new();
    let fitted = fit(&past, 10, |step| values.push(step.value)).unwrap();
    assert!(
        values.windows(2).all(|pair| pair[1] > pair[0]),
        "{values:?}"
    );
    assert!(values[values.len() - 1] > values[0] + 10.0);
    let thin = |s: &Series| Series {
        times: s.times.iter().copied().step_by(10).collect(),
        values: s.values.iter().copied().step_by(10).collect(),
    };
    let forecast = forecast(thin(&past), thin(&future), &fitted).unwrap();
    assert!(forecast.rms_error < 2.5, "{}", forecast.rms_error);
    plot(&forecast).unwrap();
}
