//! The method of Broyden, Fletcher, Goldfarb and Shanno, for functions of a few variables that are dear to evaluate.

/// A point that was reached.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its number; that of the starting point is 0.
    pub number: usize,
    /// The value of the function.
    pub value: f64,
    /// The length of the gradient.
    pub norm: f64,
}

/// The largest number of trials along a line.
const TRIALS: usize = 20;
/// The part of the predicted rise that is enough (Armijo).
const ENOUGH: f64 = 1e-4;
/// The largest length of a step: a factor of `e` in parameters that are logarithms.
const LONGEST: f64 = 1.0;

/// Climbs from `start` to a maximum of the function, which returns its value and gradient, in at most `most` steps or until one
/// rises by less than `least`. Each step rises. `report` hears of every step. A trial at which the function fails is too far.
///
/// # Errors
/// That of the function, if it fails at the start.
///
/// Source: J. Nocedal, S. J. Wright, *Numerical Optimization*, 2nd ed. (2006), chapters 3 and 6.
pub fn maximise<E>(
    start: &[f64],
    most: usize,
    least: f64,
    mut f: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
    mut report: impl FnMut(&Step),
) -> Result<Vec<f64>, E> {
    let n = start.len();
    let mut x = start.to_vec();
    let (mut value, mut gradient) = f(&x)?;
    // The inverse of minus the Hessian, row by row: the identity until something is known.
    let mut inverse: Vec<Vec<f64>> = identity(n);
    let mut fresh = true;
    for number in 0..=most {
        let norm = dot(&gradient, &gradient).sqrt();
        report(&Step {
            number,
            value,
            norm,
        });
        if number == most {
            break;
        }
        let mut direction: Vec<f64> = inverse.iter().map(|row| dot(row, &gradient)).collect();
        let length = dot(&direction, &direction).sqrt();
        direction
            .iter_mut()
            .for_each(|d| *d *= (LONGEST / length).min(1.0));
        let slope = dot(&direction, &gradient);
        let trials = (0..TRIALS).map(|k| 0.5_f64.powi(k as i32));
        let mut found = None;
        for t in trials {
            let trial: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + t * d).collect();
            if let Ok((rise, slopes)) = f(&trial)
                && rise > value
                && rise >= value + ENOUGH * t * slope
            {
                found = Some((trial, rise, slopes));
                break;
            }
        }
        let Some((next, rise, slopes)) = found else {
            // A bad model of the Hessian; along the gradient itself there is no rise that can be seen.
            if fresh {
                break;
            }
            (inverse, fresh) = (identity(n), true);
            continue;
        };
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = gradient.iter().zip(&slopes).map(|(a, b)| a - b).collect();
        update(&mut inverse, &s, &y, fresh);
        let enough = rise - value < least;
        (x, value, gradient, fresh) = (next, rise, slopes, false);
        if enough {
            break;
        }
    }
    Ok(x)
}

/// Learns from a step `s` over which the gradient fell by `y`.
fn update(inverse: &mut [Vec<f64>], s: &[f64], y: &[f64], fresh: bool) {
    let sy = dot(s, y);
    // Where the function is not concave, nothing can be learned.
    if sy <= 1e-10 * (dot(s, s) * dot(y, y)).sqrt() {
        return;
    }
    if fresh {
        let scale = sy / dot(y, y);
        for (i, row) in inverse.iter_mut().enumerate() {
            row.fill(0.0);
            row[i] = scale;
        }
    }
    let hy: Vec<f64> = inverse.iter().map(|row| dot(row, y)).collect();
    let factor = (1.0 + dot(y, &hy) / sy) / sy;
    for (i, row) in inverse.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            *entry += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
    }
}

fn identity(n: usize) -> Vec<Vec<f64>> {
    let row = |i: usize| (0..n).map(|j| f64::from(i == j)).collect();
    (0..n).map(row).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, upside down.
    #[test]
    fn a_curved_ridge_is_climbed() {
        let f = |x: &[f64]| -> Result<_, std::convert::Infallible> {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            let value = -a * a - 100.0 * b * b;
            Ok((value, vec![2.0 * a + 400.0 * x[0] * b, -200.0 * b]))
        };
        let mut steps = 0;
        let Ok(top) = maximise(&[-1.2, 1.0], 100, 1e-16, f, |_| steps += 1);
        assert!(
            (top[0] - 1.0).abs() < 1e-6 && (top[1] - 1.0).abs() < 1e-6,
            "{top:?}"
        );
        assert!(steps < 60);
    }

    #[test]
    fn failures_are_too_far_and_fatal_at_the_start() {
        let f = |x: &[f64]| {
            if x[0] > 0.6 {
                Err("too far")
            } else {
                Ok((-(x[0] - 0.5).powi(2), vec![1.0 - 2.0 * x[0]]))
            }
        };
        let top = maximise(&[0.0], 50, 1e-18, f, |_| {}).unwrap();
        assert!((top[0] - 0.5).abs() < 1e-8);
        assert_eq!(maximise(&[1.0], 50, 1e-18, f, |_| {}), Err("too far"));
    }
}
