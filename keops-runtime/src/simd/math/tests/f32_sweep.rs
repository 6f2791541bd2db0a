//! Single precision against double precision, over the whole range of floats.

use core::f32::consts::{FRAC_PI_2, LN_2, PI, TAU};

use super::{Function, InstructionSet, MAX_ULP, map};

/// Every so many-th representation is tried; a prime, so that all bits vary.
const STRIDE: usize = 2003;

/// Arguments in whose neighbourhood every float is tried.
#[rustfmt::skip]
const POINTS: [f32; 34] = [
    0.0, 0.01, 0.25, LN_2 / 2.0, 0.5, LN_2, 0.7, 0.707, 0.75, 0.999, 1.0, 1.04, 1.386, 1.5, FRAC_PI_2, 2.0, PI, 3.92,
    4.0, TAU, 8.66, 17.33, 87.33, 88.37, 88.722_84, 89.4, 126.0, 127.5, 128.0, 355.0, 6400.0, 65_536.0, 1e6, 1e38,
];

fn arguments() -> Vec<f32> {
    let mut x: Vec<f32> = (0..=u32::MAX).step_by(STRIDE).map(f32::from_bits).collect();
    for point in POINTS {
        for near in point.to_bits().saturating_sub(1500)..point.to_bits() + 1500 {
            x.extend([f32::from_bits(near), -f32::from_bits(near)]);
        }
    }
    // The range where most functions do something.
    x.extend((-200_000..200_000).map(|n| n as f32 * 5.432_1e-4));
    x.retain(|x| !x.is_nan());
    x
}

/// `2/sqrt(pi) exp(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!`, a series of positive terms.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
        if term.abs() <= 1e-18 * sum.abs() {
            break;
        }
    }
    core::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn reference(function: Function, x: f64, y: f64) -> f64 {
    match function {
        Function::Exp => x.exp(),
        Function::Exp2 => x.exp2(),
        Function::Expm1 => x.exp_m1(),
        Function::Log => x.ln(),
        Function::Log1p => x.ln_1p(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Asin => x.asin(),
        Function::Acos => x.acos(),
        Function::Atan => x.atan(),
        Function::Sinh => x.sinh(),
        Function::Cosh => x.cosh(),
        Function::Tanh => x.tanh(),
        Function::Erf => erf(x),
        Function::Recip => 1.0 / x,
        Function::Rsqrt if x == 0.0 => 0.0,
        Function::Rsqrt => 1.0 / x.sqrt(),
        Function::Atan2 => x.atan2(y),
        Function::Pow => x.powf(y),
    }
}

/// The distance of `got` from `expected` in units in the last place of the latter; infinite where one of them alone is
/// NaN or infinite.
fn ulps(got: f32, expected: f64) -> f64 {
    let rounded = expected as f32;
    if got.is_nan() && rounded.is_nan() || got == rounded {
        return (f64::from(got) - expected).abs().min(0.5) / spacing(rounded);
    }
    if got.is_infinite() || rounded.is_infinite() {
        // A neighbour of the largest float may overflow.
        let largest = f64::from(f32::MAX);
        let near = expected.abs().min(f64::from(got.abs()));
        return if near > largest * (1.0 - 1e-7) {
            1.0
        } else {
            f64::INFINITY
        };
    }
    if expected.abs() < f64::from(f32::MIN_POSITIVE) && got == 0.0 {
        return 0.0;
    }
    (f64::from(got) - expected).abs() / spacing(rounded)
}

fn spacing(x: f32) -> f64 {
    if !x.is_finite() {
        return f64::INFINITY;
    }
    let above = f32::from_bits(x.abs().to_bits() + 1);
    if above.is_infinite() {
        2f64.powi(104)
    } else {
        f64::from(above) - f64::from(x.abs())
    }
}

fn check(function: Function, x: &[f32], y: &[f32]) {
    let expected: Vec<f64> = (0..x.len())
        .map(|l| {
            reference(
                function,
                f64::from(x[l]),
                f64::from(y.get(l).copied().unwrap_or(1.0)),
            )
        })
        .collect();
    for isa in InstructionSet::available() {
        let got = map(isa, function, x, y);
        let (mut worst, mut at) = (0.0, 0);
        for l in 0..x.len() {
            let error = ulps(got[l], expected[l]);
            if error.is_nan() || error > worst {
                (worst, at) = (error, l);
            }
        }
        let second = y.get(at).copied().unwrap_or_default();
        println!(
            "f32 {:6} {isa:8} {worst:.3} ulp at {:e}, {second:e}",
            function.name(),
            x[at]
        );
        assert!(
            worst <= MAX_ULP,
            "{function:?} on {isa}: {worst} ulp at {:e}, {second:e}: got {:e}, expected {:e}",
            x[at],
            got[at],
            expected[at]
        );
    }
}

#[test]
fn functions_of_one_argument() {
    let x = arguments();
    for &function in Function::ALL {
        if !matches!(function, Function::Atan2 | Function::Pow) {
            check(function, &x, &[]);
        }
    }
}

/// A sequence of floats that fills all bits (Weyl sequence through a multiplicative hash).
fn scattered(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn power() {
    let mut uniform = scattered(1);
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for n in 0..600_000 {
        // Bases over the whole range or near one, exponents that give a result in range.
        let base = match n % 3 {
            0 => (uniform() * 2.0 - 1.0) * 126.0,
            1 => (uniform() * 2.0 - 1.0) * 2.0,
            _ => (uniform() * 2.0 - 1.0) * 1e-3,
        };
        let base = base.exp2() as f32;
        let exponent = ((uniform() * 2.0 - 1.0) * 152.0 / f64::from(base).log2()) as f32;
        x.push(base);
        y.push(if exponent.is_finite() { exponent } else { 2.0 });
        // Negative bases with integer exponents.
        x.push(-base);
        y.push(if exponent.is_finite() {
            exponent.round()
        } else {
            3.0
        });
    }
    check(Function::Pow, &x, &y);
}

#[test]
fn angle() {
    let mut uniform = scattered(2);
    let (mut y, mut x) = (Vec::new(), Vec::new());
    for n in 0..600_000 {
        let spread = if n % 2 == 0 { 2.0 } else { 254.0 };
        let mut any = || {
            ((uniform() - 0.5) * spread).exp2() as f32 * if uniform() < 0.5 { -1.0 } else { 1.0 }
        };
        y.push(any());
        x.push(any());
    }
    check(Function::Atan2, &y, &x);
}
