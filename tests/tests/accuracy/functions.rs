//! The functions of the reference in numbers of two doubles.

use super::tables::operation;
use super::twofold::{ONE, PI, Twofold, ZERO};

/// A function of a formula `Name(x)`, `Name(x,y)` or `Name(x,parameter)`, or of the vector of x and y.
pub(crate) fn of_formula(formula: &str) -> impl Fn(f64, f64) -> Twofold + Sync + use<> {
    let (outer, arguments) = formula.split_once('(').expect("a name");
    let arguments = arguments.split(')').next().unwrap_or_default();
    let second = arguments.split(',').nth(1);
    let parameter = second.and_then(|parameter| parameter.parse::<f64>().ok());
    let name = match (outer, operation(formula)) {
        ("ComplexReal" | "ComplexImag", inner) => &format!("{outer} of {inner}"),
        ("Norm2", name) if formula.matches("Concat").count() > 1 => &format!("{name} of four"),
        (_, name) => name,
    };
    let function = named(name).unwrap_or_else(|| panic!("no function {name}"));
    move |x, y| function(x.into(), parameter.unwrap_or(y).into())
}

fn hypot(x: Twofold, y: Twofold) -> Twofold {
    (x * x + y * y).sqrt()
}

fn named(name: &str) -> Option<fn(Twofold, Twofold) -> Twofold> {
    Some(match name {
        "Divide" => |x, y| x / y,
        "Inv" => |x, _| ONE / x,
        "Pow" => |x, n| {
            let power = x.powi(n.hi.abs() as usize);
            if n.hi < 0.0 { ONE / power } else { power }
        },
        "Round" => |x, decimals| {
            let power = Twofold::from(10.0).powi(decimals.hi.abs() as usize);
            let scale = if decimals.hi < 0.0 {
                ONE / power
            } else {
                power
            };
            Twofold::from((x * scale).hi.round()) / scale
        },
        "Powf" => Twofold::powf,
        "Sqrt" => |x, _| x.sqrt(),
        "Rsqrt" => |x, _| ONE / x.sqrt(),
        "Hypot" | "Norm2" | "ComplexAbs" => hypot,
        "Norm2 of four" => |x, y| hypot(x, y) * Twofold::from(2.0).sqrt(),
        "Normalize" => |x, y| x / hypot(x, y),
        "ComplexAngle" => |x, y| y.atan2(x),
        "ComplexReal of ComplexExp" => |x, y| x.exp() * y.sin_cos()[1],
        "ComplexImag of ComplexExp" => |x, y| x.exp() * y.sin_cos()[0],
        "Exp" => |x, _| x.exp(),
        "Exp2" => |x, _| x.exp2(),
        "Expm1" => |x, _| x.exp_m1(),
        "Log" => |x, _| x.ln(),
        "Log1p" => |x, _| x.ln_1p(),
        "XLogX" => |x, _| x * x.ln(),
        "Sin" | "ComplexImag of ComplexExp1j" => |x, _| x.sin_cos()[0],
        "Cos" | "ComplexReal of ComplexExp1j" => |x, _| x.sin_cos()[1],
        "SinXDivX" => |x, _| x.sin_cos()[0] / x,
        "Asin" => |x, _| x.asin(),
        "Acos" => |x, _| x.acos(),
        "Atan" => |x, _| x.atan(),
        "Atan2" => Twofold::atan2,
        "Sinh" => |x, _| x.sinh(),
        "Cosh" => |x, _| x.cosh(),
        "Tanh" => |x, _| x.tanh(),
        "Sigmoid" => |x, _| ONE / (ONE + (-x).exp()),
        "Softplus" => |x, _| x.exp().ln_1p(),
        "Erf" => |x, _| x.erf(),
        "LGamma" => |x, _| ln_gamma(x),
        "Polygamma" => |x, n| polygamma(n.hi as usize, x),
        "BesselK" => |x, nu| bessel_k(nu.abs(), x),
        "MaternFamily" => matern,
        "Matern" => |x, nu| matern((nu + nu) * x, nu),
        _ => return None,
    })
}

/// Bernoulli's numbers B_2, B_4, ...
const BERNOULLI: [(f64, f64); 15] = [
    (1.0, 6.0),
    (-1.0, 30.0),
    (1.0, 42.0),
    (-1.0, 30.0),
    (5.0, 66.0),
    (-691.0, 2730.0),
    (7.0, 6.0),
    (-3617.0, 510.0),
    (43867.0, 798.0),
    (-174_611.0, 330.0),
    (854_513.0, 138.0),
    (-236_364_091.0, 2730.0),
    (8_553_103.0, 6.0),
    (-23_749_461_029.0, 870.0),
    (8_615_841_276_005.0, 14_322.0),
];

/// From here on asymptotic series with these numbers have more digits than are needed.
const FAR: f64 = 60.0;

/// `x`, `x + 1` and so on as far as asymptotic series do not reach, and the first number that they reach.
fn steps(x: Twofold) -> (impl Iterator<Item = Twofold>, Twofold) {
    let count = (FAR - x.hi).ceil().max(0.0);
    let steps = (0..count as usize).map(move |k| x + (k as f64).into());
    (steps, x + count.into())
}

/// The sum of B_2k `factor(2k)` / x^2k.
fn bernoulli_sum(x: Twofold, factor: impl Fn(usize) -> Twofold) -> Twofold {
    let square = x * x;
    let (mut sum, mut power) = (ZERO, ONE);
    for (k, (numerator, denominator)) in (1..).zip(BERNOULLI) {
        power = power * square;
        let number = Twofold::from(numerator) / denominator.into();
        sum = sum + number * factor(2 * k) / power;
    }
    sum
}

/// log Gamma(x) for positive x (DLMF 5.11.1).
fn ln_gamma(x: Twofold) -> Twofold {
    let (steps, z) = steps(x);
    let half = Twofold::from(0.5);
    let lower = steps.fold(ONE, |product, step| product * step).ln();
    let series = bernoulli_sum(z, |k| ONE / (k as f64 * (k as f64 - 1.0)).into());
    (z - half) * z.ln() - z + half * (PI + PI).ln() + z * series - lower
}

/// The derivative of order n + 1 of log Gamma for positive x (DLMF 5.15.8).
fn polygamma(n: usize, x: Twofold) -> Twofold {
    let (steps, z) = steps(x);
    if n == 0 {
        let lower = steps.fold(ZERO, |sum, step| sum + ONE / step);
        let series = bernoulli_sum(z, |k| ONE / (k as f64).into());
        return z.ln() - ONE / (z + z) - series - lower;
    }
    // All relative to the factorial of n.
    let lower = steps.fold(ZERO, |sum, step| sum + ONE / step.powi(n + 1));
    let rising = |k: usize| {
        (1..k).fold(ONE, |product, m| {
            product * Twofold::from((n + m) as f64) / (m as f64).into()
        })
    };
    let series = bernoulli_sum(z, |k| rising(k) / (k as f64).into());
    let first = ONE / (n as f64).into() + ONE / (z + z) + series;
    let factorial = (1..=n).fold(ONE, |product, m| product * (m as f64).into());
    let value = factorial * (lower + first / z.powi(n));
    if n.is_multiple_of(2) { -value } else { value }
}

/// K of the order `nu`, by the trapezoidal rule for the integral of e^(-x cosh u) cosh(nu u) over u > 0 (DLMF 10.32.9), which converges faster than any power of
/// the step.
fn bessel_k(nu: Twofold, x: Twofold) -> Twofold {
    let step = Twofold::from((0.45 / (x.hi + nu.hi).sqrt()).min(0.14));
    let half = (step * 0.5.into()).exp();
    let growth = (step * nu).exp();
    let (mut root, mut power) = (ONE, ONE);
    let mut sum = Twofold::from(0.5);
    for k in 1.. {
        root = root * half;
        power = power * growth;
        let sinh = root - ONE / root;
        let decay = x * sinh * sinh * 0.5.into();
        let term = (-decay).exp() * (power + ONE / power) * 0.5.into();
        sum = sum + term;
        let falling = decay.hi > nu.hi * f64::from(k) * step.hi;
        if falling && term.hi < 1e-26 * sum.hi {
            break;
        }
    }
    sum * step * (-x).exp()
}

/// s^nu K_nu(s) with s^2 = `square`, scaled to 1 at 0 where nu is positive.
fn matern(square: Twofold, nu: Twofold) -> Twofold {
    let s = square.sqrt();
    let value = s.powf(nu) * bessel_k(nu.abs(), s);
    if nu.hi <= 0.0 {
        return value;
    }
    value / ((nu - ONE).exp2() * ln_gamma(nu).exp())
}
