//! The modified Bessel function K and the Matern kernels. KeOps does not have these.
//!
//! The order is a number of the formula, so the approximations are made for it while the formula is compiled
//! ([`crate::special::bessel_k`]), and what is emitted are core instructions.

use super::helpers::{horner, number};
use super::{ADD, DIVIDE, Derivative, MINUS, MULT, Meaning, Op, Param};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::bessel_k::{self, DIRECT, Extra, border};

pub(super) const OPS: &[&Op] = &[&MATERN, &MATERN_FAMILY, &BESSEL_K];

/// The largest order.
const LARGEST: f64 = 32.0;

/// K of a fixed order.
pub(crate) static BESSEL_K: Op = Op {
    name: "BesselK",
    aliases: &["bessel_k"],
    args: &["f"],
    params: &[number("nu")],
    dim: |dims, params| order_within("BesselK", params, -LARGEST).map(|()| dims[0]),
    meaning: Meaning::Component(|c| {
        let (x, order) = (c.arg(0), c.param(0).number().abs());
        let square = c.apply(Instruction::Mul, &[x, x]);
        Scaled {
            order,
            power: 0.0,
            factor: 1.0,
        }
        .emit(c, x, square)
    }),
    derivative: Derivative::Partials(|dag, args, params, value| {
        // K_nu' = -K_(nu-1) - nu/x K_nu (DLMF 10.29.2)
        let order = params[0].number().abs();
        let lower = [Param::of_number((order - 1.0).abs())];
        let lower = dag.apply_with(&BESSEL_K, args, &lower);
        let order = dag.constant(order);
        let scaled = dag.apply(&MULT, &[order, value]);
        let quotient = dag.apply(&DIVIDE, &[scaled, args[0]]);
        let sum = dag.apply(&ADD, &[lower, quotient]);
        vec![Some(dag.apply(&MINUS, &[sum]))]
    }),
    ulp: Some([4.0, 4.0]),
    doc: "The modified Bessel function of the second kind K_nu(f), of an order nu from -32 to 32 that is a number; above 2.5, one unit more of error for each order",
    ..Op::BASE
};

/// The Matern kernel.
pub(crate) static MATERN: Op = Op {
    name: "Matern",
    args: &["f"],
    params: &[number("nu")],
    dim: |dims, params| match params[0].number() {
        nu if nu > 0.0 && nu <= LARGEST => Ok(dims[0]),
        nu => Err(format!(
            "a Matern kernel has an order above 0, up to {LARGEST}, got {nu}"
        )),
    },
    meaning: Meaning::Expand(|dag, args, params| {
        let scale = dag.constant(2.0 * params[0].number());
        let scaled = dag.apply(&MULT, &[scale, args[0]]);
        dag.apply_with(&MATERN_FAMILY, &[scaled], params)
    }),
    doc: "The Matern kernel of order nu (0.5, 1.5, or any other number up to 32) at the squared distance f in units of the length scale: \
          2^(1-nu) / Gamma(nu) s^nu K_nu(s) with s = sqrt(2 nu f), which is 1 at 0; derivatives that do not exist at 0 are taken as 0",
    ..Op::BASE
};

/// The family that Matern kernels and their derivatives belong to.
///
/// With h_nu(s) = s^nu K_nu(s), h_nu' = -s h_(nu-1) (DLMF 10.29.4), so d/df h_nu(sqrt f) = -1/2 h_(nu-1)(sqrt f): no
/// root and no quotient appears in a derivative, and those that exist at 0 are right there.
pub(crate) static MATERN_FAMILY: Op = Op {
    name: "MaternFamily",
    args: &["f"],
    params: &[number("nu")],
    dim: |dims, params| order_within("MaternFamily", params, -LARGEST).map(|()| dims[0]),
    meaning: Meaning::Component(|c| {
        let (square, nu) = (c.arg(0), c.param(0).number());
        let s = c.apply(Instruction::Sqrt, &[square]);
        let scaled = Scaled {
            order: nu.abs(),
            power: nu,
            factor: 1.0 / at_zero(nu),
        };
        let value = scaled.emit(c, s, square);
        if nu > 0.0 {
            return value;
        }
        let zero = c.constant(0.0);
        c.apply(Instruction::SelectEq, &[square, zero, zero, value])
    }),
    derivative: Derivative::Partials(|dag, args, params, _| {
        let nu = params[0].number();
        let lower = dag.apply_with(&MATERN_FAMILY, args, &[Param::of_number(nu - 1.0)]);
        let factor = match nu {
            nu if nu > 1.0 => 0.25 / (nu - 1.0),
            nu => 0.5 / at_zero(nu),
        };
        let factor = dag.constant(-factor);
        vec![Some(dag.apply(&MULT, &[factor, lower]))]
    }),
    ulp: Some([4.0, 4.0]),
    doc: "f^(nu/2) K_nu(sqrt f), which Matern kernels and their derivatives are made of: scaled to 1 at 0 where nu > 0, and taken as 0 at 0 where nu <= 0; above 2.5, one unit more of error for each order",
    ..Op::BASE
};

/// The value of s^nu K_nu(s) at 0 where it is finite, and 1 elsewhere.
fn at_zero(nu: f64) -> f64 {
    if nu > 0.0 {
        (nu - 1.0).exp2() * bessel_k::gamma(nu)
    } else {
        1.0
    }
}

fn order_within(name: &str, params: &[Param], least: f64) -> Result<(), String> {
    match params[0].number() {
        nu if (least..=LARGEST).contains(&nu) => Ok(()),
        nu => Err(format!(
            "{name} takes an order from {least} to {LARGEST}, got {nu}"
        )),
    }
}

/// factor s^power K_order(s), for an order that is not negative.
struct Scaled {
    order: f64,
    power: f64,
    factor: f64,
}

impl Scaled {
    /// The value for `s` >= 0, whose square is `square`.
    fn emit(&self, c: &mut Component<'_, '_>, s: Value, square: Value) -> Value {
        if self.order.fract() == 0.5 {
            return self.closed_form(c, s);
        }
        let near = self.near(c, s, square);
        let far = self.far(c, s);
        let border = c.constant(border(self.order));
        // NaN takes the second value.
        c.apply(Instruction::SelectLt, &[s, border, near, far])
    }

    /// For a half-integer: sqrt(pi / 2s) e^-s sum_k (m+k)!/(k! (m-k)!) (2s)^-k with m = order - 1/2 (DLMF 10.49.12).
    fn closed_form(&self, c: &mut Component<'_, '_>, s: Value) -> Value {
        let m = (self.order - 0.5) as usize;
        let mut coefficients = vec![self.factor * std::f64::consts::FRAC_PI_2.sqrt()];
        for k in 0..m {
            let ratio = ((m + k + 1) * (m - k)) as f64 / (2.0 * (k + 1) as f64);
            coefficients.push(coefficients[k] * ratio);
        }
        if self.power == self.order {
            // s^(m + 1/2) makes a polynomial in s of it, and 1 of its constant term.
            let last = coefficients[m];
            coefficients.iter_mut().for_each(|c| *c /= last);
            coefficients.reverse();
            let s = bounded(c, s);
            return damped(c, s, &coefficients);
        }
        let (zero, one) = (c.constant(0.0), c.constant(1.0));
        let inverse = c.apply(Instruction::Div, &[one, s]);
        let sum = horner(c, inverse, &coefficients);
        let minus = c.apply(Instruction::Neg, &[s]);
        let decay = c.apply(Instruction::Exp, &[minus]);
        let value = c.apply(Instruction::Mul, &[decay, sum]);
        let value = times_power(c, value, s, self.power - 0.5);
        let infinity = c.constant(f64::INFINITY);
        c.apply(Instruction::SelectEq, &[s, zero, infinity, value])
    }

    /// Below the [`border`]: the power series.
    fn near(&self, c: &mut Component<'_, '_>, s: Value, square: Value) -> Value {
        let series = bessel_k::series(self.order);
        let half = c.constant(0.5);
        let halved = c.apply(Instruction::Mul, &[half, s]);
        let extra = match series.extra {
            Extra::Logarithm => c.apply(Instruction::Log, &[halved]),
            Extra::PowerLessOne(exponent) => {
                let log = c.apply(Instruction::Log, &[halved]);
                let exponent = c.constant(exponent);
                let product = c.apply(Instruction::Mul, &[exponent, log]);
                c.apply(Instruction::Expm1, &[product])
            }
            Extra::Power(exponent) => {
                let exponent = c.constant(exponent);
                c.apply(Instruction::Pow, &[halved, exponent])
            }
        };
        // For orders from 1/2 on it is multiplied by a power of s that is 0 long before it is as large, so that infinity
        // never meets 0. NaN stays.
        let extra = match series.extra {
            _ if self.order < 0.5 => extra,
            Extra::Logarithm => {
                let bound = c.constant(-400.0);
                c.apply(Instruction::Max, &[bound, extra])
            }
            _ => {
                let bound = c.constant(1e36);
                c.apply(Instruction::Min, &[bound, extra])
            }
        };
        // s^power is (s/2)^power 2^power.
        let scale = self.factor * self.power.exp2();
        let [regular, singular] = [series.regular, series.singular].map(|coefficients| {
            let scaled: Vec<f64> = coefficients.iter().map(|c| c * scale).collect();
            horner(c, square, &scaled)
        });
        let product = c.apply(Instruction::Mul, &[singular, extra]);
        let value = c.apply(Instruction::Add, &[product, regular]);
        times_power(c, value, halved, self.power - self.order)
    }

    /// From the [`border`] on: the polynomial, and recurrences for high orders.
    fn far(&self, c: &mut Component<'_, '_>, s: Value) -> Value {
        let s = bounded(c, s);
        let scale = self.factor * std::f64::consts::FRAC_PI_2.sqrt();
        let minus = c.apply(Instruction::Neg, &[s]);
        if self.order <= DIRECT {
            let sum = smooth_part(c, s, self.order, scale);
            let decay = c.apply(Instruction::Exp, &[minus]);
            let product = c.apply(Instruction::Mul, &[decay, sum]);
            return times_power(c, product, s, self.power - 0.5);
        }
        // Two orders below, and K_(n+1) = K_(n-1) + 2n/s K_n up from there (DLMF 10.29.1), a sum of positive terms.
        // Half of the exponential stands before the sum and half behind it, so that neither overflows.
        let steps = (self.order - DIRECT).ceil();
        let mut order = self.order - steps;
        let half = c.constant(0.5);
        let halved = c.apply(Instruction::Mul, &[minus, half]);
        let decay = c.apply(Instruction::Exp, &[halved]);
        let (mut below, mut here);
        let mut rest = self.power - 0.5;
        if self.power == self.order {
            // In terms of s^n K_n(s) / (2^(n-1) Gamma(n)), which is 1 at 0 for each n:
            // h_(n+1) = h_n + s^2 / (4n(n-1)) h_(n-1).
            rest = order - 1.5;
            let scale = scale / self.factor;
            below = smooth_part(c, s, order - 1.0, scale / at_zero(order - 1.0));
            here = smooth_part(c, s, order, scale / at_zero(order));
            here = c.apply(Instruction::Mul, &[s, here]);
        } else {
            below = smooth_part(c, s, order - 1.0, scale);
            here = smooth_part(c, s, order, scale);
        }
        below = c.apply(Instruction::Mul, &[decay, below]);
        here = c.apply(Instruction::Mul, &[decay, here]);
        let one = c.constant(1.0);
        for _ in 0..steps as usize {
            let next = if self.power == self.order {
                let square = c.apply(Instruction::Mul, &[s, s]);
                let factor = c.constant(0.25 / (order * (order - 1.0)));
                let factor = c.apply(Instruction::Mul, &[factor, square]);
                let product = c.apply(Instruction::Mul, &[factor, below]);
                c.apply(Instruction::Add, &[product, here])
            } else {
                let inverse = c.apply(Instruction::Div, &[one, s]);
                let factor = c.constant(2.0 * order);
                let factor = c.apply(Instruction::Mul, &[factor, inverse]);
                let product = c.apply(Instruction::Mul, &[factor, here]);
                c.apply(Instruction::Add, &[product, below])
            };
            (below, here) = (here, next);
            order += 1.0;
        }
        let value = c.apply(Instruction::Mul, &[here, decay]);
        times_power(c, value, s, rest)
    }
}

/// scale e^s sqrt(2s / pi) K_order(s)
fn smooth_part(c: &mut Component<'_, '_>, s: Value, order: f64, scale: f64) -> Value {
    let coefficients: Vec<f64> = bessel_k::polynomial(order.abs())
        .iter()
        .map(|c| c * scale)
        .collect();
    let one = c.constant(1.0);
    let shifted = c.apply(Instruction::Add, &[s, one]);
    let inverse = c.apply(Instruction::Div, &[one, shifted]);
    let reach = c.constant(2.0 * (border(order.abs()) + 1.0));
    let product = c.apply(Instruction::Mul, &[reach, inverse]);
    let t = c.apply(Instruction::Sub, &[product, one]);
    let sum = horner(c, t, &coefficients);
    let product = c.apply(Instruction::Mul, &[inverse, sum]);
    let scale = c.constant(scale);
    c.apply(Instruction::Add, &[product, scale])
}

/// `s`, or a number for which e^-s is 0 anyway, so that infinity never meets 0. NaN stays.
fn bounded(c: &mut Component<'_, '_>, s: Value) -> Value {
    let bound = c.constant(1500.0);
    c.apply(Instruction::Min, &[bound, s])
}

/// e^-s times a polynomial of `s`; lowest degree first.
fn damped(c: &mut Component<'_, '_>, s: Value, coefficients: &[f64]) -> Value {
    let minus = c.apply(Instruction::Neg, &[s]);
    if coefficients.len() <= 4 {
        let decay = c.apply(Instruction::Exp, &[minus]);
        let sum = horner(c, s, coefficients);
        return c.apply(Instruction::Mul, &[decay, sum]);
    }
    // Half of the exponential on the coefficients: powers of s alone would overflow.
    let half = c.constant(0.5);
    let halved = c.apply(Instruction::Mul, &[minus, half]);
    let decay = c.apply(Instruction::Exp, &[halved]);
    let mut sum = c.constant(0.0);
    for &coefficient in coefficients.iter().rev() {
        let product = c.apply(Instruction::Mul, &[sum, s]);
        let coefficient = c.constant(coefficient);
        let damped = c.apply(Instruction::Mul, &[coefficient, decay]);
        sum = c.apply(Instruction::Add, &[product, damped]);
    }
    c.apply(Instruction::Mul, &[sum, decay])
}

/// `value` s^exponent for s >= 0: by products and quotients where twice the exponent is a small integer.
fn times_power(c: &mut Component<'_, '_>, value: Value, s: Value, exponent: f64) -> Value {
    let twice = 2.0 * exponent;
    if twice.fract() != 0.0 || twice.abs() > 16.0 {
        let exponent = c.constant(exponent);
        let power = c.apply(Instruction::Pow, &[s, exponent]);
        return c.apply(Instruction::Mul, &[value, power]);
    }
    let mut power = super::arithmetic::integer_power(c, s, exponent.abs() as i64);
    if exponent.fract() != 0.0 {
        let root = c.apply(Instruction::Sqrt, &[s]);
        power = c.apply(Instruction::Mul, &[power, root]);
    }
    let combine = if exponent < 0.0 {
        Instruction::Div
    } else {
        Instruction::Mul
    };
    c.apply(combine, &[value, power])
}
