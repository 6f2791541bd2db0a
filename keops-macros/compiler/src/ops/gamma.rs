//! The logarithm of the gamma function, and its derivatives. KeOps does not have these.
//!
//! Polynomials on a unit interval, recurrences to get there, and Stirling's series beyond (DLMF 5.5, 5.11, 5.15).

use super::arithmetic::integer_power;
use super::helpers::{horner, int};
use super::two_words::TwoWords;
use super::{Derivative, Meaning, Op, Param};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::twofold::Twofold;

pub(super) const OPS: &[&Op] = &[&LGAMMA, &POLYGAMMA];

/// log Gamma(f)
pub(crate) static LGAMMA: Op = Op {
    name: "LGamma",
    args: &["f"],
    meaning: Meaning::Component(log_gamma),
    derivative: Derivative::Partials(|dag, args, _, _| {
        vec![Some(dag.apply_with(&POLYGAMMA, args, &[Param::Int(0)]))]
    }),
    ulp: Some([3.4, 3.4]),
    doc: "log Gamma(f) for f >= 0, NaN below",
    ..Op::BASE
};

/// The derivatives of log Gamma.
pub(crate) static POLYGAMMA: Op = Op {
    name: "Polygamma",
    args: &["f"],
    params: &[int("n")],
    dim: |dims, params| match params[0].int() {
        0..=32 => Ok(dims[0]),
        n => Err(format!("the order must be from 0 to 32, not {n}")),
    },
    meaning: Meaning::Component(|c| {
        let (x, zero, nan) = (c.arg(0), c.constant(0.0), c.constant(f64::NAN));
        // Minus zero is zero.
        let x = c.apply(Instruction::SelectEq, &[x, zero, zero, x]);
        let value = match c.param(0).size() {
            0 => digamma(c, x),
            n => polygamma(c, x, n),
        };
        c.apply(Instruction::SelectLt, &[x, zero, nan, value])
    }),
    derivative: Derivative::Partials(|dag, args, params, _| {
        let next = Param::Int(params[0].int() + 1);
        vec![Some(dag.apply_with(&POLYGAMMA, args, &[next]))]
    }),
    ulp: Some([4.0, 4.0]),
    doc: "The derivative of order n + 1 of log Gamma(f) for f >= 0, NaN below: the digamma function for n = 0, the trigamma function for n = 1",
    ..Op::BASE
};

/// From here on Stirling's series.
const STIRLING: f64 = 8.0;

/// The Bernoulli numbers B_2, B_4, ...
const BERNOULLI: [f64; 20] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174611.0 / 330.0,
    854513.0 / 138.0,
    -236364091.0 / 2730.0,
    8553103.0 / 6.0,
    -23749461029.0 / 870.0,
    8615841276005.0 / 14322.0,
    -7709321041217.0 / 510.0,
    2577687858367.0 / 6.0,
    -26315271553053477373.0 / 1919190.0,
    2929993913841559.0 / 6.0,
    -261082718496449122051.0 / 13530.0,
];

/// The number of terms of Stirling's series for log Gamma and its derivative.
const TERMS: usize = 10;

fn log_gamma(c: &mut Component<'_, '_>) -> Value {
    use Instruction::*;
    let x = c.arg(0);
    let [half, one, two, upper, large] = [0.5, 1.0, 2.0, 2.5, STIRLING].map(|x| c.constant(x));
    // Gamma(x) = Gamma(w) product, or Gamma(w) / x below 1/2, with 1/2 <= w < 5/2.
    let above = c.apply(Add, &[x, one]);
    let mut w = c.apply(SelectLt, &[x, half, above, x]);
    let mut product = one;
    for _ in 0..6 {
        let lower = c.apply(Sub, &[w, one]);
        let longer = c.apply(Mul, &[product, lower]);
        product = c.apply(SelectLe, &[upper, w, longer, product]);
        w = c.apply(SelectLe, &[upper, w, lower, w]);
    }
    // One logarithm for all cases.
    let product = c.apply(SelectLt, &[x, half, x, product]);
    let argument = c.apply(SelectLt, &[x, large, product, x]);
    let log = c.apply(Log, &[argument]);

    let border = c.constant(1.5);
    let center = c.apply(SelectLt, &[w, border, one, two]);
    let d = c.apply(Sub, &[w, center]);
    let mut sum = c.constant(0.0);
    for (&near_1, &near_2) in NEAR_1.iter().zip(&NEAR_2).rev() {
        let [near_1, near_2] = [near_1, near_2].map(|coefficient| c.constant(coefficient));
        let coefficient = c.apply(SelectLt, &[w, border, near_1, near_2]);
        let scaled = c.apply(Mul, &[sum, d]);
        sum = c.apply(Add, &[scaled, coefficient]);
    }
    let sum = c.apply(Mul, &[d, sum]);
    let minus = c.apply(Neg, &[log]);
    let shift = c.apply(SelectLt, &[x, half, minus, log]);
    let near = c.apply(Add, &[shift, sum]);

    // (x - 1/2) (log x - 1) + (log 2 pi - 1)/2 + sum of B_2k / (2k (2k - 1) x^(2k - 1))
    let coefficients: Vec<f64> = (1..=TERMS)
        .map(|k| BERNOULLI[k - 1] / (2 * k * (2 * k - 1)) as f64)
        .collect();
    let inverse = c.apply(Div, &[one, x]);
    let square = c.apply(Mul, &[inverse, inverse]);
    let series = horner(c, square, &coefficients);
    let series = c.apply(Mul, &[series, inverse]);
    let constant = c.constant(0.5 * (std::f64::consts::TAU.ln() - 1.0));
    let series = c.apply(Add, &[series, constant]);
    let log_less = c.apply(Sub, &[log, one]);
    let x_less = c.apply(Sub, &[x, half]);
    let leading = c.apply(Mul, &[x_less, log_less]);
    let far = c.apply(Add, &[leading, series]);
    c.apply(SelectLt, &[x, large, near, far])
}

fn digamma(c: &mut Component<'_, '_>, x: Value) -> Value {
    use Instruction::*;
    let [zero, one, two, large] = [0.0, 1.0, 2.0, STIRLING].map(|x| c.constant(x));
    let inverse = c.apply(Div, &[one, x]);
    // digamma(x) = digamma(w) + shift, with 1 <= w <= 2.
    let minus = c.apply(Neg, &[inverse]);
    let mut shift = c.apply(SelectLt, &[x, one, minus, zero]);
    let above = c.apply(Add, &[x, one]);
    let mut w = c.apply(SelectLt, &[x, one, above, x]);
    for _ in 0..6 {
        let lower = c.apply(Sub, &[w, one]);
        let step = c.apply(Div, &[one, lower]);
        let longer = c.apply(Add, &[shift, step]);
        shift = c.apply(SelectLt, &[two, w, longer, shift]);
        w = c.apply(SelectLt, &[two, w, lower, w]);
    }
    let center = c.constant(1.5);
    let d = c.apply(Sub, &[w, center]);
    let sum = horner(c, d, &DIGAMMA);
    // The difference from the root, which has more digits than a number: the first part is exact.
    let mut difference = w;
    for part in ROOT {
        let part = c.constant(part);
        difference = c.apply(Sub, &[difference, part]);
    }
    let product = c.apply(Mul, &[difference, sum]);
    let near = c.apply(Add, &[shift, product]);

    // log x - 1/2x - sum of B_2k / (2k x^2k)
    let coefficients: Vec<f64> = (1..=TERMS)
        .map(|k| BERNOULLI[k - 1] / (2 * k) as f64)
        .collect();
    let square = c.apply(Mul, &[inverse, inverse]);
    let series = horner(c, square, &coefficients);
    let series = c.apply(Mul, &[series, square]);
    let half = c.constant(0.5);
    let halved = c.apply(Mul, &[half, inverse]);
    let rest = c.apply(Add, &[halved, series]);
    let log = c.apply(Log, &[x]);
    let far = c.apply(Sub, &[log, rest]);
    c.apply(SelectLt, &[x, large, near, far])
}

/// (-1)^(n+1) n! (sum of (x + k)^-(n+1) over k below some K, and from there by Stirling's series), for n >= 1: sums of terms
/// of one sign (DLMF 5.15.1, 5.15.8).
fn polygamma(c: &mut Component<'_, '_>, x: Value, n: usize) -> Value {
    let magnitude = match n {
        // A power multiplies the error of its base by n + 1, and the sum has as many roundings as terms.
        1 | 2 => polygamma_in_one_word(c, x, n),
        _ => polygamma_in_two_words(c, x, n),
    };
    match n % 2 {
        0 => c.apply(Instruction::Neg, &[magnitude]),
        _ => magnitude,
    }
}

/// The number of terms before Stirling's series: from there on it has all digits.
fn steps(n: usize) -> usize {
    8 + n / 2
}

/// n/2y + sum of B_2k (2k+n-1)! / ((2k)! (n-1)! y^2k), by which the rest of the sum for y = x + K is more than (n-1)! / y^n.
fn stirling(c: &mut Component<'_, '_>, inverse: Value, n: usize) -> Value {
    use Instruction::*;
    let border = steps(n) as f64;
    let mut coefficients = Vec::new();
    let mut ratio = 1.0;
    for (k, bernoulli) in BERNOULLI.iter().enumerate() {
        let (even, last) = (2.0 * k as f64 + 2.0, 2.0 * k as f64 + n as f64);
        ratio *= last * (last + 1.0) / (even * (even - 1.0));
        coefficients.push(bernoulli * ratio);
        if (bernoulli * ratio).abs() < 1e-18 * border.powf(even) {
            break;
        }
    }
    let square = c.apply(Mul, &[inverse, inverse]);
    let series = horner(c, square, &coefficients);
    let series = c.apply(Mul, &[square, series]);
    let half = c.constant(n as f64 / 2.0);
    let linear = c.apply(Mul, &[half, inverse]);
    c.apply(Add, &[series, linear])
}

fn polygamma_in_one_word(c: &mut Component<'_, '_>, x: Value, n: usize) -> Value {
    use Instruction::*;
    let one = c.constant(1.0);
    let inverse = |c: &mut Component<'_, '_>, k: usize| {
        let k = c.constant(k as f64);
        let shifted = c.apply(Add, &[x, k]);
        c.apply(Div, &[one, shifted])
    };
    // The smallest terms first.
    let mut sum = c.constant(0.0);
    for k in (0..steps(n)).rev() {
        let inverse = inverse(c, k);
        let power = integer_power(c, inverse, n as i64 + 1);
        sum = c.apply(Add, &[sum, power]);
    }
    let inverse = inverse(c, steps(n));
    let series = stirling(c, inverse, n);
    let series = c.apply(Add, &[series, one]);
    let power = integer_power(c, inverse, n as i64);
    let scale = c.constant(1.0 / n as f64);
    let power = c.apply(Mul, &[scale, power]);
    let tail = c.apply(Mul, &[power, series]);
    let sum = c.apply(Add, &[tail, sum]);
    let factorial = c.constant((1..=n).product::<usize>() as f64);
    c.apply(Mul, &[factorial, sum])
}

/// The terms are powers of r/(x + k) with r^(n+1) = n!: those of 1/(x + k) alone underflow before the value does.
fn polygamma_in_two_words(c: &mut Component<'_, '_>, x: Value, n: usize) -> Value {
    use Instruction::*;
    let root = root_of_factorial(n);
    let upper = TwoWords::nearest(c, root);
    let inverse_root = c.constant(1.0 / root.rounded());
    let quotient = |c: &mut Component<'_, '_>, k: usize| {
        let k = c.constant(k as f64);
        let divisor = TwoWords::sum(c, x, k);
        upper.over(c, divisor, inverse_root)
    };
    let scaled = quotient(c, steps(n));
    let inverse = c.apply(Mul, &[inverse_root, scaled.words()[0]]);
    let series = stirling(c, inverse, n);
    // Of (n-1)! = r^(n+1) / n, the power has n factors.
    let factor = TwoWords::nearest(c, root / (n as f64).into());
    let product = c.apply(Mul, &[factor.words()[0], series]);
    let product = TwoWords::of(c, product);
    let series = factor.loosely_plus(c, product);
    let mut sum = scaled.power(c, n).loosely_times(c, series);
    let mut largest = c.constant(0.0);
    for k in (0..steps(n)).rev() {
        let term = quotient(c, k).power(c, n + 1);
        sum = sum.loosely_plus(c, term);
        [largest, _] = term.words();
    }
    let value = sum.rounded(c);
    // Infinity, and what comes of it, has no lower word.
    c.apply(SelectEq, &[value, value, value, largest])
}

/// The root of degree n + 1 of n!, by one step of Newton's method from that of a double.
fn root_of_factorial(n: usize) -> Twofold {
    let factorial = (1..=n).fold(Twofold::ONE, |product, k| product * (k as f64).into());
    let degree = (n + 1) as f64;
    let root = Twofold::from(factorial.rounded().powf(1.0 / degree));
    let power = (0..=n).fold(Twofold::ONE, |product, _| product * root);
    let relative = (factorial - power) / power;
    root + root * relative / degree.into()
}

/// log Gamma(1 + d) / d for |d| <= 1/2, a polynomial in d.
#[rustfmt::skip]
const NEAR_1: [f64; 30] = [
    -0.5772156649015329, 0.8224670334241132, -0.40068563438653065, 0.27058080842778026,
    -0.20738555102889636, 0.16955717699821546, -0.14404989674293042, 0.12550966945361255,
    -0.11133426744819344, 0.10009946106870661, -0.09095395937948512, 0.08335372852716888,
    -0.07693389168797567, 0.07143531456613504, -0.06664634848826916, 0.06246601996645537,
    -0.05907935115771443, 0.055923603007143954, -0.05055361916461507, 0.047207949581154034,
    -0.05967209611450288, 0.06069988251670486, 0.005627198134008818, -0.017221996443625896,
    -0.17545100195447957, 0.1933124209110138, 0.19662943603137412, -0.21990054046608104,
    -0.24134519253805736, 0.25001640963788685,
];

/// log Gamma(2 + d) / d for |d| <= 1/2, a polynomial in d.
#[rustfmt::skip]
const NEAR_2: [f64; 30] = [
    0.42278433509846713, 0.32246703342411326, -0.06735230105319814, 0.020580808427780335,
    -0.007385551028668096, 0.002890510331036772, -0.0011927539120033873, 0.0005096695153484373,
    -0.00022315475069647703, 9.945767440096764e-05, -4.492635166770342e-05, 2.0505584372896933e-05,
    -9.438454884054723e-06, 4.3847319318293745e-06, -2.044935323180052e-06, 9.199898075671394e-07,
    -4.303234692956732e-07, 2.7880013392491846e-07, -1.341570273460026e-07, 0.0,
    0.0, 0.0, 0.0, 0.0,
    0.0, 0.0, 0.0, 0.0,
    0.0, 0.0,
];

/// digamma(3/2 + d) / (3/2 + d - root) for |d| <= 1/2, a polynomial in d.
#[rustfmt::skip]
const DIGAMMA: [f64; 24] = [
    0.9510558760318328, -0.42362742128146047, 0.24054248424078736, -0.14840492305391872,
    0.09498872445282817, -0.06192213327154086, 0.040760833944741226, -0.026975796849870903,
    0.01790724819228875, -0.011908215022954471, 0.007927024136843637, -0.005280020264450306,
    0.0035180792717028125, -0.0023446244638506528, 0.0015635739915515125, -0.0010424375640517788,
    0.0006899428514219089, -0.00045917430083105225, 0.00032689316473621455, -0.00022008418201681154,
    9.158816882117e-05, -5.76048865255672e-05, 0.00012241591000024265, -8.401289563760489e-05,
];

/// The positive root of the digamma function, in parts; the first has 21 digits, the second 12.
const ROOT: [f64; 3] = [
    1.4616317749023438,
    3.700843080878258e-07,
    -1.8289496563115605e-11,
];
