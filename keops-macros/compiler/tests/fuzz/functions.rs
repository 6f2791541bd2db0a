//! The functions of single numbers, and of splines and series, that operations are.

use crate::noise::{blurred, unspecified};
use crate::number::Number;
use crate::special;

fn number(x: f64) -> Number {
    x.into()
}

fn truth(holds: bool) -> Number {
    number(if holds { 1.0 } else { 0.0 })
}

/// Without its derivatives: what jumps has none.
pub(crate) fn flat(f: Number, function: impl Fn(f64) -> f64) -> Number {
    number(function(f.real()))
}

pub(crate) fn clamp(x: &[Number]) -> Number {
    match x {
        [f, a, _] if f.real() < a.real() => *a,
        [f, _, b] if f.real() > b.real() => *b,
        _ => x[0],
    }
}

pub(crate) fn modulo(x: &[Number]) -> Number {
    let (f, n) = (x[0], x[1]);
    let d = x.get(2).copied().unwrap_or(Number::ZERO);
    f - n * flat((f - d) / n, f64::floor)
}

/// Whether they are equal. A difference of the size of rounding errors may be none elsewhere.
pub(crate) fn equal(f: Number, g: Number) -> bool {
    let (f, g) = (f.real(), g.real());
    if f != g && (f - g).abs() < 1e-13 * f.abs().max(g.abs()).max(1.0) {
        unspecified();
    }
    f == g
}

/// The higher one of two integers that are equally near.
pub(crate) fn nearest(x: f64) -> f64 {
    let below = x.floor();
    if x - below < 0.5 { below } else { below + 1.0 }
}

/// f rounded to decimals, halves away from zero.
pub(crate) fn round(f: f64, decimals: i64) -> f64 {
    let power = 10f64.powi(decimals.unsigned_abs() as i32);
    let scaled = match decimals {
        0 => number(f),
        1.. => number(f) * number(power),
        _ => number(f) / number(power),
    };
    let scaled = scaled.real();
    if scaled.is_nan() || scaled.abs() >= 2f64.powi(53) {
        return f;
    }
    let rounded = scaled.round();
    match decimals {
        1.. => rounded / power,
        _ => rounded * power,
    }
}

/// f^g; where f is 0 the slopes are 0 unless g >= 1.
pub(crate) fn power(f: Number, g: Number) -> Number {
    let base = |f: Number, g: Number| {
        let less = g - number(1.0);
        if f.real() == 0.0 && (less.real() < 0.0 || less.is_nan()) {
            return Number::ZERO;
        }
        g * power(f, less)
    };
    let exponent = |f: Number, g: Number| {
        if f.real() == 0.0 {
            // Which mixed derivatives there are depends on the order in which they are taken.
            unspecified();
            return Number::ZERO;
        }
        f.ln() * power(f, g)
    };
    f.through2(g, &f64::powf, [&base, &exponent])
}

pub(crate) fn hypot(f: Number, g: Number) -> Number {
    let slope = |f: Number, g: Number| match hypot(f, g) {
        root if root.real() == 0.0 => Number::ZERO,
        root => f / root,
    };
    let value = |f: f64, g: f64| {
        if f.is_nan() || g.is_nan() {
            f + g
        } else {
            f.hypot(g)
        }
    };
    f.through2(g, &value, [&slope, &|f, g| slope(g, f)])
}

pub(crate) fn atan2(f: Number, g: Number) -> Number {
    let slope = |of: Number, f: Number, g: Number| match f * f + g * g {
        square if square.real() == 0.0 => Number::ZERO,
        square => of / square,
    };
    let value = |f: f64, g: f64| {
        if f == 0.0 && g < 0.0 {
            // It is pi or -pi by the sign of a zero, which has no meaning.
            unspecified();
        }
        (f + 0.0).atan2(g + 0.0)
    };
    f.through2(g, &value, [&|f, g| slope(g, f, g), &|f, g| slope(-f, f, g)])
}

pub(crate) fn arc(f: Number, value: fn(f64) -> f64, sign: f64) -> Number {
    let one = number(1.0);
    f.through(&value, &|x| number(sign) * ((one - x) * (one + x)).rsqrt())
}

pub(crate) fn sinh(f: Number) -> Number {
    f.through(&f64::sinh, &cosh)
}

pub(crate) fn cosh(f: Number) -> Number {
    f.through(&f64::cosh, &sinh)
}

pub(crate) fn tanh(f: Number) -> Number {
    f.through(&f64::tanh, &|x| {
        let inverse = number(1.0) / cosh(x);
        inverse * inverse
    })
}

pub(crate) fn sigmoid(f: Number) -> Number {
    let value = |x: f64| 1.0 / (1.0 + (-x).exp());
    f.through(&value, &|x| sigmoid(x) * sigmoid(-x))
}

pub(crate) fn softplus(f: Number) -> Number {
    let value = |x: f64| {
        if x > 0.0 {
            x + (-x).exp().ln_1p()
        } else {
            x.exp().ln_1p()
        }
    };
    f.through(&value, &sigmoid)
}

/// -g log(sum of e^(-f_k / g)), shifted by the smallest f_k.
pub(crate) fn soft_min(f: &[Number], g: Number) -> Number {
    if let [only] = f {
        return *only;
    }
    if !(g.real() > 0.0 && g.real().is_finite()) || f.iter().any(|x| !x.real().is_finite()) {
        unspecified();
    }
    let least = f.iter().map(|x| x.real()).fold(f64::INFINITY, f64::min);
    let sum: Number = f.iter().map(|&x| ((number(least) - x) / g).exp()).sum();
    let value = number(least) - g * sum.ln();
    // Derivatives are weights e^((value - f_k) / g), of which the smallest component is a part.
    let size = 1e-15 * f.iter().map(|x| x.real().abs()).fold(0.0, f64::max);
    value + number(blurred(0.0, size))
}

/// f^(nu/2) K_nu(sqrt f), relative to its limit at 0; even the 1 there may be rounded.
pub(crate) fn scaled_matern(f: Number, nu: f64) -> Number {
    let rounded_one = number(1.0 + blurred(0.0, 1e-15));
    rounded_one * special::matern_family(f, nu) / number(special::limit(nu))
}

/// The costs of all alignments of two series from the pair (i, j) on.
pub(crate) fn alignments(x: &[Number], y: &[Number], (i, j): (usize, usize)) -> Vec<Number> {
    let distance = x[i] - y[j];
    let cost = distance * distance;
    let steps = [(i + 1, j), (i, j + 1), (i + 1, j + 1)];
    let steps = steps
        .into_iter()
        .filter(|&(i, j)| i < x.len() && j < y.len());
    let mut costs = Vec::new();
    for step in steps {
        costs.extend(alignments(x, y, step).into_iter().map(|rest| cost + rest));
    }
    if costs.is_empty() {
        costs.push(cost);
    }
    costs
}

/// The B-spline of degree k that begins at knot i, by Cox and de Boor's recursion; a quotient by an empty interval is 0.
pub(crate) fn spline(knots: &[Number], x: Number, i: usize, k: usize) -> Number {
    if k == 0 {
        return truth(knots[i].real() <= x.real() && x.real() < knots[i + 1].real());
    }
    let part = |distance: Number, length: Number, i: usize| match length.real() {
        0.0 => Number::ZERO,
        _ => distance / length * spline(knots, x, i, k - 1),
    };
    let (first, last) = (knots[i], knots[i + k + 1]);
    part(x - first, knots[i + k] - first, i) + part(last - x, last - knots[i + 1], i + 1)
}
