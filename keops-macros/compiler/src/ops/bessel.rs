//! The modified Bessel function K and the Matern kernels. KeOps does not have these.
//!
//! The order is a number of the formula, so the approximations are made for it while the formula is compiled
//! ([`crate::special::bessel_k`]), and what is emitted are core instructions.

use super::helpers::{horner, number};
use super::two_words::TwoWords;
use super::{ADD, DIVIDE, Derivative, MINUS, MULT, Meaning, Op, Param, ParamKind};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::bessel_k;
use crate::special::twofold::{LOG2_E, Twofold};

mod powers;
mod scaled;

use scaled::{Scaled, bounded};

pub(super) const OPS: &[&Op] = &[&MATERN, &MATERN_FAMILY, &BESSEL_K];

/// The largest order.
const LARGEST: f64 = 32.0;

/// Here e^-s is 0 in any type, so that what is larger may as well be this, and infinity never meets 0.
const LARGEST_S: f64 = 1000.0;

/// Larger arguments than any that has another value than the largest, whatever the factor.
const LARGEST_F: f64 = 1e30;

/// The largest half-integer whose closed form is accurate.
const CLOSED: f64 = 2.5;

/// K of a fixed order.
pub(crate) static BESSEL_K: Op = Op {
    name: "BesselK",
    aliases: &["bessel_k"],
    args: &["f"],
    params: &[number("nu")],
    dim: |dims, params| order_within(params, -LARGEST).map(|()| dims[0]),
    meaning: Meaning::Component(|c| {
        use Instruction::*;
        let (x, order) = (c.arg(0), c.param(0).number().abs());
        let (zero, nan) = (c.constant(0.0), c.constant(f64::NAN));
        // Minus zero is zero.
        let s = c.apply(SelectEq, &[x, zero, zero, x]);
        let square = c.apply(Mul, &[s, s]);
        let scaled = Scaled {
            order,
            power: 0.0,
            factor: Twofold::ONE,
        };
        let value = scaled.emit(c, s, square, None);
        c.apply(SelectLt, &[s, zero, nan, value])
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
    doc: "The modified Bessel function of the second kind K_nu(f), of an order nu from -32 to 32 that is a number; NaN for f below 0, and infinity where sqrt(f) K_nu(f) is beyond the largest number",
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
            "the order must be above 0, up to {LARGEST}, not {nu}"
        )),
    },
    meaning: Meaning::Expand(|dag, args, params| {
        let nu = params[0].number();
        let params = [nu, 2.0 * nu].map(Param::of_number);
        dag.apply_with(&MATERN_FAMILY, args, &params)
    }),
    doc: "The Matern kernel of order nu (0.5, 1.5, or any other number up to 32) at the squared distance f in units of the length scale: \
          2^(1-nu) / Gamma(nu) s^nu K_nu(s) with s = sqrt(2 nu f), which is 1 at 0; derivatives that do not exist at 0 are taken as 0; for nu up to 7/4, and for 5/2, it is 0 where e^-s is, beyond s = 87 in `f32`",
    ulp: Some([4.0, 4.0]),
    ..Op::BASE
};

/// The family that Matern kernels and their derivatives belong to.
///
/// With h_nu(s) = s^nu K_nu(s), h_nu' = -s h_(nu-1) (DLMF 10.29.4), so d/df h_nu(sqrt f) = -1/2 h_(nu-1)(sqrt f): no
/// root and no quotient appears in a derivative, and those that exist at 0 are right there.
///
/// The factor of the argument is a parameter because e^-s has an error of s/2 units for each rounding of c f and of its root: both are computed in two words, of
/// which the lower one is the small change of an argument.
pub(crate) static MATERN_FAMILY: Op = Op {
    name: "MaternFamily",
    args: &["f"],
    params: &[
        number("nu"),
        ParamKind {
            optional: true,
            ..number("c")
        },
    ],
    dim: |dims, params| {
        order_within(params, -LARGEST)?;
        match scale(params) {
            c if c > 0.0 && c < f64::INFINITY => Ok(dims[0]),
            c => Err(format!("the factor must be above 0, not {c}")),
        }
    },
    meaning: Meaning::Component(|c| {
        let (f, nu, scale) = (c.arg(0), c.param(0).number(), scale(c.params()));
        let bound = (LARGEST_S * LARGEST_S / scale).min(LARGEST_F);
        let f = bounded(c, f, bound);
        if nu > 0.0 && nu.fract() == 0.5 && nu <= CLOSED {
            return closed_form(c, f, nu, scale);
        }
        let square = Square::new(c, scale.into(), f);
        let s = c.apply(Instruction::Sqrt, &[square.upper]);
        let excess = square.excess(c, s);
        let scaled = Scaled {
            order: nu.abs(),
            power: nu,
            factor: Twofold::ONE / at_zero(nu),
        };
        let value = scaled.emit(c, s, square.upper, Some(excess));
        if nu > 0.0 {
            return value;
        }
        let zero = c.constant(0.0);
        c.apply(Instruction::SelectEq, &[square.upper, zero, zero, value])
    }),
    derivative: Derivative::Partials(|dag, args, params, _| {
        let (nu, scale) = (params[0].number(), scale(params));
        let lower = [nu - 1.0, scale].map(Param::of_number);
        let lower = dag.apply_with(&MATERN_FAMILY, args, &lower);
        let factor = match nu {
            nu if nu > 1.0 => 0.25 / (nu - 1.0),
            nu => 0.5 / at_zero(nu).rounded(),
        };
        let factor = dag.constant(-factor * scale);
        vec![Some(dag.apply(&MULT, &[factor, lower]))]
    }),
    ulp: Some([4.0, 4.0]),
    doc: "s^nu K_nu(s) with s = sqrt(c f), and c = 1 if left out, which Matern kernels and their derivatives are made of: scaled to 1 at 0 where nu > 0, and taken as 0 at 0 where nu <= 0",
    ..Op::BASE
};

/// The factor of the argument, which may be left out.
fn scale(params: &[Param]) -> f64 {
    params.get(1).map_or(1.0, Param::number)
}

/// The product of a number and a factor of two words.
struct Square {
    upper: Value,
    /// What `upper` lacks.
    lower: Option<Value>,
}

impl Square {
    fn new(c: &mut Component<'_, '_>, factor: Twofold, f: Value) -> Square {
        use Instruction::*;
        if factor == Twofold::ONE {
            return Square {
                upper: f,
                lower: None,
            };
        }
        let [factor, rest] = TwoWords::nearest(c, factor).words();
        let upper = c.apply_as_written(Mul, &[f, factor]);
        let lost = c.apply(ProductError, &[f, factor]);
        let rest = c.apply(Mul, &[f, rest]);
        Square {
            upper,
            lower: Some(c.apply(Add, &[rest, lost])),
        }
    }

    /// What it is more than the square of `root`, a number near its root.
    fn excess(&self, c: &mut Component<'_, '_>, root: Value) -> Value {
        let excess = c.apply(Instruction::Residual, &[root, root, self.upper]);
        match self.lower {
            Some(lower) => c.apply(Instruction::Add, &[excess, lower]),
            None => excess,
        }
    }
}

/// The kernel of a half-integer order 1/2, 3/2 or 5/2 for s^2 = `scale` f: e^-s times 1, 1 + s or 1 + s + s^2/3.
///
/// These are the usual ones, and nothing in them is to take time. With s = w log 2 the exponential is 2^-w, so that no product with log2 e is rounded, and w is
/// the root of an argument with another factor. What the square of w is not, r, changes the kernel h_nu by -r / (4 (nu-1)) h_(nu-1), which has the same
/// exponential.
fn closed_form(c: &mut Component<'_, '_>, f: Value, nu: f64, scale: f64) -> Value {
    use Instruction::*;
    use std::f64::consts::LN_2;
    const POLYNOMIAL: [f64; 3] = [1.0, LN_2, LN_2 * LN_2 / 3.0];
    let square = Square::new(c, LOG2_E * LOG2_E * scale.into(), f);
    let root = c.apply(Sqrt, &[square.upper]);
    let excess = square.excess(c, root);
    let minus = c.apply(Neg, &[root]);
    let decay = c.apply_as_written(Exp2, &[minus]);
    let degree = (nu - 0.5) as usize;
    if degree == 0 {
        // h_(-1/2) is e^-s / s, and where s is 0 there is no excess.
        let (factor, least) = (c.constant(-0.5 * LN_2), c.constant(1e-30));
        let change = c.apply(Mul, &[factor, excess]);
        let root = c.apply(Max, &[root, least]);
        let change = c.apply(Div, &[change, root]);
        let change = c.apply(Mul, &[change, decay]);
        return c.apply(Add, &[change, decay]);
    }
    let sum = horner(c, root, &POLYNOMIAL[..=degree]);
    let slope = -0.25 * LN_2 * LN_2 / (nu - 1.0);
    let below = POLYNOMIAL[..degree].iter().map(|c| slope * c);
    let below = horner(c, root, &below.collect::<Vec<f64>>());
    let change = c.apply(Mul, &[excess, below]);
    let sum = c.apply(Add, &[change, sum]);
    c.apply(Mul, &[decay, sum])
}

/// The value of s^nu K_nu(s) at 0 where it is finite, and 1 elsewhere.
fn at_zero(nu: f64) -> Twofold {
    if nu > 0.0 {
        (Twofold::from(nu) - Twofold::ONE).exp2() * bessel_k::gamma(nu)
    } else {
        Twofold::ONE
    }
}

fn order_within(params: &[Param], least: f64) -> Result<(), String> {
    match params[0].number() {
        nu if (least..=LARGEST).contains(&nu) => Ok(()),
        nu => Err(format!(
            "the order must be from {least} to {LARGEST}, not {nu}"
        )),
    }
}
