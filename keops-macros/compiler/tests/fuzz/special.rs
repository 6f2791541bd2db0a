//! Special functions by definitions that share nothing with the compiler's: integrals, recurrences and series of positive
//! terms. References are to the Digital Library of Mathematical Functions.

use crate::noise::blurred;
use crate::number::Number;

/// The error function (7.6.2, 7.9.1).
pub(crate) fn erf(f: Number) -> Number {
    let value = |x: f64| {
        let size = x.abs();
        let erf = if size < 3.0 {
            let (mut term, mut sum) = (size, size);
            for n in 1..200 {
                term *= 2.0 * size * size / (2 * n + 1) as f64;
                sum += term;
            }
            std::f64::consts::FRAC_2_SQRT_PI * (-size * size).exp() * sum
        } else if size > 7.0 {
            1.0
        } else {
            // The continued fraction from its end.
            let fraction = (1..200)
                .rev()
                .fold(size, |rest, n| size + n as f64 / 2.0 / rest);
            let scale = std::f64::consts::FRAC_2_SQRT_PI / 2.0;
            1.0 - scale * (-size * size).exp() / fraction
        };
        if x.is_nan() { x } else { erf.copysign(x) }
    };
    f.through(&value, &|x| {
        Number::from(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp()
    })
}

/// log Gamma for numbers that are not negative.
pub(crate) fn lgamma(f: Number) -> Number {
    let value = |x: f64| if x < 0.0 { f64::NAN } else { libm::lgamma(x) };
    f.through(&value, &|x| polygamma(x, 0))
}

/// The derivative of order n + 1 of log Gamma: (5.7.6, 5.15.1) for the first terms, Euler and Maclaurin's formula (2.10.1) for
/// the others.
pub(crate) fn polygamma(f: Number, n: usize) -> Number {
    let value = |x: f64| {
        if x.is_nan() || x < 0.0 {
            return f64::NAN;
        }
        if x.is_infinite() {
            return if n == 0 { x } else { 0.0 };
        }
        let border = 40.0 + n as f64;
        let steps = (border - x).ceil().max(0.0) as usize;
        let y = x + steps as f64;
        let exponent = n as f64 + 1.0;
        let terms: f64 = (0..steps)
            .rev()
            .map(|k| (x + k as f64).powf(-exponent))
            .sum();
        // B_2k / (2k)! times the derivative of order 2k - 1 of y^-exponent, without its sign.
        let bernoulli = [
            1.0 / 6.0,
            -1.0 / 30.0,
            1.0 / 42.0,
            -1.0 / 30.0,
            5.0 / 66.0,
            -691.0 / 2730.0,
        ];
        let (mut factor, mut rest) = (exponent / 2.0 / (y * y), 0.0);
        for (k, bernoulli) in (1..).zip(bernoulli) {
            rest += bernoulli * factor;
            let (last, degree) = (exponent + 2.0 * k as f64, 2.0 * k as f64);
            factor *= (last - 1.0) * last / ((degree + 1.0) * (degree + 2.0)) / (y * y);
        }
        if n == 0 {
            let digamma = y.ln() - 0.5 / y - rest * y / y;
            let value = digamma - terms;
            // It has a root, near which what is left of its terms is small.
            return blurred(value, 1e-14 * (digamma.abs() + terms));
        }
        let tail = y.powf(-(n as f64)) * (1.0 / n as f64 + 0.5 / y + rest);
        let factorial: f64 = (1..=n).map(|k| k as f64).product();
        let sign = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
        let value = sign * factorial * (terms + tail);
        blurred(value, 1e-14 * value.abs())
    };
    f.through(&value, &|x| polygamma(x, n + 1))
}

/// x^power K_nu(x) for x > 0, by the trapezoidal rule for its integral (10.32.9), which converges exponentially.
fn bessel_k_value(x: f64, nu: f64, power: f64) -> f64 {
    if x > 745.0 {
        // e^-x is 0.
        return 0.0;
    }
    let step = 0.08f64.min(0.4 / x.sqrt());
    let factor = power * x.ln();
    let mut sum = 0.5 * factor.exp();
    for k in 1.. {
        let t = k as f64 * step;
        // x (cosh t - 1), without cancellation
        let decay = 2.0 * x * (t / 2.0).sinh().powi(2);
        let term = 0.5 * ((factor + nu * t - decay).exp() + (factor - nu * t - decay).exp());
        sum += term;
        if decay > 40.0 + nu * t {
            break;
        }
    }
    let value = step * sum * (-x).exp();
    // What is exponentiated may be large.
    blurred(value, 1e-13 * value)
}

/// K of order nu; the slope is the mean of its neighbours (10.29.1).
pub(crate) fn bessel_k(f: Number, nu: f64) -> Number {
    let nu = nu.abs();
    let value = |x: f64| match x {
        0.0 => f64::INFINITY,
        x if x > 0.0 => bessel_k_value(x, nu, 0.0),
        _ => f64::NAN,
    };
    f.through(&value, &|x| {
        let sum = bessel_k(x, nu - 1.0) + bessel_k(x, nu + 1.0);
        Number::from(-0.5) * sum
    })
}

/// f^(nu/2) K_nu(sqrt f), its limit at 0 where nu > 0, and 0 there otherwise. The slope is (10.29.4).
pub(crate) fn matern_family(f: Number, nu: f64) -> Number {
    let value = |x: f64| match x {
        0.0 if nu > 0.0 => limit(nu),
        x if x > 0.0 => {
            let s = x.sqrt();
            let value = bessel_k_value(s, nu.abs(), nu);
            // The rounding of the root counts s/2 times.
            blurred(value, 1e-15 * s * value)
        }
        0.0 => 0.0,
        _ => f64::NAN,
    };
    f.through(&value, &|x| Number::from(-0.5) * matern_family(x, nu - 1.0))
}

/// 2^(nu-1) Gamma(nu), the limit of s^nu K_nu(s) at 0.
pub(crate) fn limit(nu: f64) -> f64 {
    (nu - 1.0).exp2() * libm::tgamma(nu)
}

/// j_n(f) / f^n, by Miller's recurrence downwards (3.6) where |f| is not far above n, else by that upwards (10.51.1).
pub(crate) fn spherical_bessel(f: Number, n: usize) -> Number {
    let value = |x: f64| {
        let at_zero: f64 = (0..=n).map(|k| 1.0 / (2 * k + 1) as f64).product();
        if x.is_nan() || x.is_infinite() {
            // A limit in mathematics, but sin and cos have none.
            return f64::NAN;
        }
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { x.sin() / x };
        if n == 0 {
            return sinc(x);
        }
        // b_(n-1) = (2n + 1) b_n - x^2 b_(n+1) for b_n = j_n / x^n
        let value = if x.abs() < 30.0 + n as f64 {
            let (mut above, mut here, mut kept) = (0.0, 1e-280, 0.0);
            let start = n + 80;
            let mut at_one = 0.0;
            for k in (1..=start).rev() {
                if k == n {
                    kept = here;
                }
                if k == 1 {
                    at_one = here;
                }
                let below = (2 * k + 1) as f64 * here - x * x * above;
                (above, here) = (here, below);
                if here.abs() > 1e200 {
                    for scaled in [&mut above, &mut here, &mut kept, &mut at_one] {
                        *scaled *= 1e-250;
                    }
                }
            }
            // Normalised by the larger one of b_0 and b_1.
            let sine = sinc(x);
            let next = if x == 0.0 {
                1.0 / 3.0
            } else {
                (sine - x.cos()) / (x * x)
            };
            if x.abs() < 1.0 || sine.abs() > 0.5 * (next * x).abs() {
                kept / here * sine
            } else {
                kept / at_one * next
            }
        } else {
            let (mut below, mut here) = (x.cos(), sinc(x));
            for k in 0..n {
                (below, here) = (here, ((2 * k + 1) as f64 * here - below) / (x * x));
            }
            here
        };
        blurred(value, 3e-15 * at_zero)
    };
    f.through(&value, &|x| -(x * spherical_bessel(x, n + 1)))
}

#[test]
fn special_functions_have_their_known_values() {
    let [one, half] = [1.0, 0.5].map(Number::from);
    // From tables of the functions.
    let known = [
        (erf(one), 0.842_700_792_949_714_9),
        (erf(half), 0.520_499_877_813_046_5),
        (erf(Number::from(-3.5)), -0.999_999_256_901_627_7),
        (polygamma(one, 0), -0.577_215_664_901_532_9),
        (polygamma(half, 1), 4.934_802_200_544_679),
        (polygamma(one, 2), -2.404_113_806_319_188_6),
        (bessel_k(one, 0.0), 0.421_024_438_240_708_3),
        (bessel_k(one, 1.0), 0.601_907_230_197_234_6),
        (bessel_k(half, 0.5), 1.075_047_603_499_92),
        (matern_family(one, 0.5), 0.461_068_504_447_894_6),
        (spherical_bessel(one, 1), 0.301_168_678_939_756_8),
        (spherical_bessel(one, 2), 0.062_035_052_011_373_86),
    ];
    for (n, (ours, expected)) in known.into_iter().enumerate() {
        let error = (ours.real() - expected).abs() / expected.abs();
        assert!(
            error < 1e-13,
            "number {n}: {} and not {expected}",
            ours.real()
        );
    }
}
