//! Powers of s times K(s), from polynomials, recurrences and closed forms in two words.

use super::super::helpers::horner;
use super::super::two_words::TwoWords;
use super::powers::{
    NEAR_ONE, changed, difference_of_powers, parts, power, power_less_one, scaled, simple_power,
    sum, times_power,
};
use super::{CLOSED, LARGEST_S, at_zero};
use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::bessel_k::{self, DIRECT, Extra, border};
use crate::special::twofold::{PI, Twofold};

/// As much of s as stands in the exponential before a recurrence, and in the first one after it: from what is before e^-s is 0 in the smaller type, there is no
/// rest.
const EARLY: f64 = 60.0;
const LATE: f64 = 80.0;

/// Orders whose polynomials are not steep.
const MODERATE: std::ops::Range<f64> = 0.35..0.9;

/// factor s^power K_order(s), for an order that is not negative.
pub(super) struct Scaled {
    pub(super) order: f64,
    pub(super) power: f64,
    pub(super) factor: Twofold,
}

impl Scaled {
    /// The value for `s` >= 0, whose square is `square`; or that for the root of s^2 + `excess`, a number near s, to the first order of the excess.
    pub(super) fn emit(
        &self,
        c: &mut Component<'_, '_>,
        s: Value,
        square: Value,
        excess: Option<Value>,
    ) -> Value {
        let half_integer = self.order.fract() == 0.5;
        // A high power of s has more roundings than the recurrence.
        let closed = match self.power {
            // Without a power of s, terms are as steep as in a recurrence.
            power if power <= 0.0 => CLOSED - 1.0,
            _ => CLOSED,
        };
        if half_integer && self.order <= closed {
            return self.closed_form(c, s, excess);
        }
        let change = excess.map(|excess| self.relative_change(c, s, square, excess));
        let far = if self.order <= DIRECT {
            self.direct(c, s, change)
        } else {
            self.recurrence(c, s, change)
        };
        if half_integer {
            return far;
        }
        // A kernel that is 1 at 0 changes little there.
        let near = self.near(c, s, square, change.filter(|_| self.power <= 0.0));
        let border = c.constant(border(self.order));
        // NaN takes the second value.
        c.apply(Instruction::SelectLt, &[s, border, near, far])
    }

    /// What the value changes by, relatively, where the square is larger by `excess`.
    ///
    /// h_nu(s) = s^nu K_nu(s) has the logarithmic derivative -K_(nu-1)/(2s K_nu) with respect to s^2. A few digits of it count, the more the larger s is: of
    /// 1/(a + sqrt(a^2 + s^2)) with a = nu - 1/2, a bound of K_(nu-1)/(s K_nu) (Segura, J. Math. Anal. Appl. 374, 2011), two orders of 1/s are right; of
    /// (sqrt(nu^2 + s + s^2) - nu)/s^2 three orders, and the value at 0 for negative nu, where the function is steep.
    fn relative_change(
        &self,
        c: &mut Component<'_, '_>,
        s: Value,
        square: Value,
        excess: Value,
    ) -> Value {
        use Instruction::*;
        let steep = self.power < 0.5;
        let a = if steep { -self.power } else { self.power - 0.5 };
        let [a, square_of_a, minus_half] = [a, a * a, -0.5].map(|x| c.constant(x));
        let mut sum = c.apply(Add, &[square, square_of_a]);
        if steep {
            sum = c.apply(Add, &[sum, s]);
        }
        let root = c.apply(Sqrt, &[sum]);
        let sum = c.apply(Add, &[root, a]);
        let half = c.apply(Mul, &[minus_half, excess]);
        if !steep {
            return c.apply(Div, &[half, sum]);
        }
        let relative = c.apply(Div, &[half, square]);
        c.apply(Mul, &[relative, sum])
    }

    /// For a half-integer: sqrt(pi / 2s) e^-s sum_k (m+k)!/(k! (m-k)!) (2s)^-k with m = order - 1/2 (DLMF 10.49.12).
    fn closed_form(&self, c: &mut Component<'_, '_>, s: Value, excess: Option<Value>) -> Value {
        use Instruction::*;
        let m = (self.order - 0.5) as usize;
        let scale = self.factor * root_of_half_pi();
        let zero = c.constant(0.0);
        // Infinity is not to meet the inverse 0.
        let s = bounded(c, s, LARGEST_S);
        let inverse = TwoWords::of(c, s).inverse(c);
        // In two words: roundings of the quotient and of the sum would be as many as all others.
        let (mut sum, mut factor) = (TwoWords::constant(c, scale), scale);
        for k in 0..m {
            factor = factor * ratio_of_terms(m, k).into();
            let power = inverse.power(c, k + 1);
            let term = TwoWords::constant(c, factor).loosely_times(c, power);
            sum = sum.loosely_plus(c, term);
        }
        let [first, mut second] = sum.words();
        if let Some(excess) = excess {
            // The derivative with respect to s^2 is -1/2 of the value of the order above.
            let [inverse, _] = inverse.words();
            let above = horner(c, inverse, &reversed_bessel(m + 1, -0.5 * scale.rounded()));
            let change = c.apply(Mul, &[excess, inverse]);
            let change = c.apply(Mul, &[change, above]);
            second = c.apply(Add, &[change, second]);
        }
        let minus = c.apply(Neg, &[s]);
        let decay = c.apply_as_written(Exp, &[minus]);
        let exponent = Twofold::from(self.power) - 0.5.into();
        let decay = times_power(c, &[decay], s, exponent);
        let value = scaled(c, &[decay], &[first, second]);
        // Where powers of 1/s are infinite, the change is none.
        let infinity = c.constant(f64::INFINITY);
        let large = c.apply(SelectLe, &[zero, s, infinity, value]);
        c.apply(SelectEq, &[value, value, value, large])
    }

    /// Below the [`border`]: the power series.
    fn near(
        &self,
        c: &mut Component<'_, '_>,
        s: Value,
        square: Value,
        change: Option<Value>,
    ) -> Value {
        let series = bessel_k::series(self.order);
        let half = c.constant(0.5);
        let halved = c.apply(Instruction::Mul, &[half, s]);
        // s^power is (s/2)^power 2^power.
        let scale = (self.factor * Twofold::from(self.power).exp2()).rounded();
        let [regular, singular] = [&series.regular, &series.singular]
            .map(|coefficients| coefficients.iter().map(|c| c * scale).collect::<Vec<f64>>());
        if let Extra::PowerLessOne(exponent) = series.extra
            && self.order < 0.5
        {
            let words = difference_of_powers(c, halved, square, exponent, &regular, &singular);
            let words = changed(c, words, change);
            return self.times_power_of_half(c, words, halved);
        }
        let extra = match series.extra {
            Extra::Logarithm => c.apply(Instruction::Log, &[halved]),
            // The power itself has fewer roundings than its logarithm, unless it is near 1.
            Extra::PowerLessOne(exponent) if exponent.abs() >= NEAR_ONE => {
                let [exponent, one] = [exponent, 1.0].map(|x| c.constant(x));
                let power = c.apply(Instruction::Pow, &[halved, exponent]);
                c.apply(Instruction::Sub, &[power, one])
            }
            Extra::PowerLessOne(exponent) => power_less_one(c, halved, exponent),
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
        let [(first, regular), (factor, singular)] =
            [regular, singular].map(|coefficients| without_first(c, square, &coefficients));
        let singular = c.apply(Instruction::Add, &[singular, factor]);
        let product = c.apply(Instruction::Mul, &[singular, extra]);
        let rest = c.apply(Instruction::Add, &[product, regular]);
        let words = changed(c, [first, rest], change);
        self.times_power_of_half(c, words, halved)
    }

    /// The sum of two words, times (s/2)^(power - order).
    fn times_power_of_half(
        &self,
        c: &mut Component<'_, '_>,
        words: [Value; 2],
        halved: Value,
    ) -> Value {
        let exponent = self.power - self.order;
        let value = times_power(c, &words, halved, exponent.into());
        if exponent >= 0.0 {
            return value;
        }
        // The second word may be negative, and is not to meet the infinite power.
        let (zero, infinity) = (c.constant(0.0), c.constant(f64::INFINITY));
        let large = c.apply(Instruction::SelectLe, &[zero, halved, infinity, value]);
        c.apply(Instruction::SelectEq, &[value, value, value, large])
    }

    /// From the [`border`] on, for an order up to [`DIRECT`]: the polynomial.
    fn direct(&self, c: &mut Component<'_, '_>, s: Value, change: Option<Value>) -> Value {
        let s = bounded(c, s, LARGEST_S);
        let scale = self.factor * root_of_half_pi();
        let minus = c.apply(Instruction::Neg, &[s]);
        // A power of two as the first word: its product is exact.
        let first = scale.rounded().log2().round().exp2();
        let sum = smooth_part(c, s, self.order, scale, first);
        let sum = changed(c, sum, change);
        let decay = c.apply_as_written(Instruction::Exp, &[minus]);
        let exponent = Twofold::from(self.power) - 0.5.into();
        let steep = exponent.rounded().abs() >= NEAR_ONE;
        let decay = match simple_power(c, s, exponent.rounded()) {
            None if steep => {
                let power = power(c, s, exponent).into_iter();
                let words = power.map(|word| c.apply(Instruction::Mul, &[decay, word]));
                words.collect()
            }
            _ => vec![times_power(c, &[decay], s, exponent)],
        };
        scaled(c, &decay, &sum)
    }

    /// From the [`border`] on, and everywhere for a half-integer, for an order above [`DIRECT`]: from the orders around 1/2
    /// upwards by K_(n+1) = K_(n-1) + 2n/s K_n (DLMF 10.29.1), in two words. All terms are positive.
    fn recurrence(&self, c: &mut Component<'_, '_>, s: Value, change: Option<Value>) -> Value {
        use Instruction::*;
        let steps = (self.order - 0.5).floor();
        let lowest = self.order - steps;
        let s = bounded(c, s, LARGEST_S);
        // e^-s in factors: the sum is neither to underflow before its time nor to overflow. All but one of them are constants or 1.
        let early = bounded(c, s, EARLY);
        let rest = c.apply(Sub, &[s, early]);
        let late = bounded(c, rest, LATE);
        let rest = c.apply(Sub, &[rest, late]);
        let [early, late, rest] = [early, late, rest].map(|part| {
            let minus = c.apply(Neg, &[part]);
            c.apply_as_written(Exp, &[minus])
        });
        let scaled_to_one = self.power == self.order;
        let scale = match scaled_to_one {
            true => Twofold::ONE / at_zero(lowest),
            false => self.factor,
        };
        let [mut below, mut here] = [lowest - 1.0, lowest].map(|order| {
            let scale = scale * root_of_half_pi();
            let sum = smooth_part(c, s, order, scale, parts(scale.rounded())[0]);
            let [upper, lower] = sum.map(|word| TwoWords::of(c, word));
            let sum = upper.plus(c, lower);
            TwoWords::of(c, early).times(c, sum)
        });
        let mut n = Twofold::from(lowest);
        if scaled_to_one {
            // In terms of h_n = s^n K_n(s) / (2^(n-1) Gamma(n)), which is 1 at 0 for each n:
            // h_(n+1) = h_n + s^2 / (4n(n-1)) h_(n-1), once there are two n above 0.
            let distance = TwoWords::of(c, s);
            let square = distance.times(c, distance);
            let half = Twofold::from(0.5) / n;
            let factor = TwoWords::constant(c, half).times(c, distance);
            (below, here) = (here, factor.times(c, below).plus(c, here));
            for _ in 1..steps as usize {
                let quarter = Twofold::from(0.25) / (n * (n + Twofold::ONE));
                let factor = TwoWords::constant(c, quarter).times(c, square);
                (below, here) = (here, factor.times(c, below).plus(c, here));
                n = n + Twofold::ONE;
            }
        } else {
            let inverse = TwoWords::of(c, s).inverse(c);
            for _ in 0..steps as usize {
                let factor = TwoWords::constant(c, n + n).times(c, inverse);
                (below, here) = (here, factor.times(c, here).plus(c, below));
                n = n + Twofold::ONE;
            }
        }
        let words = changed(c, here.words(), change);
        let value = sum(c, &words);
        let value = c.apply(Mul, &[value, late]);
        let value = c.apply(Mul, &[value, rest]);
        if scaled_to_one {
            return times_power(c, &[value], s, Twofold::from(lowest) - 0.5.into());
        }
        let value = times_power(c, &[value], s, Twofold::from(self.power) - 0.5.into());
        // Where it is larger than the largest number, the lower word is none.
        let (zero, infinity) = (c.constant(0.0), c.constant(f64::INFINITY));
        let large = c.apply(SelectLe, &[zero, s, infinity, value]);
        c.apply(SelectEq, &[value, value, value, large])
    }
}

/// scale e^s sqrt(2s / pi) K_order(s), as the sum of two words, the first of which is a number near the scale that the smaller type holds.
fn smooth_part(
    c: &mut Component<'_, '_>,
    s: Value,
    order: f64,
    scale: Twofold,
    first: f64,
) -> [Value; 2] {
    let scale = scale.rounded();
    let [upper, lower] = [first, scale - first].map(|part| c.constant(part));
    if order.abs() == 0.5 {
        return [upper, lower];
    }
    let coefficients: Vec<f64> = bessel_k::polynomial(order.abs())
        .iter()
        .map(|c| c * scale)
        .collect();
    let one = c.constant(1.0);
    // Where the polynomial is steep, roundings of its argument would be multiplied.
    let [inverse, rest] = if MODERATE.contains(&order.abs()) {
        let shifted = c.apply(Instruction::Add, &[s, one]);
        [c.apply(Instruction::Div, &[one, shifted]), c.constant(0.0)]
    } else {
        let [s, one] = [s, one].map(|value| TwoWords::of(c, value));
        s.plus(c, one).inverse(c).words()
    };
    let reach = c.constant(2.0 * (border(order.abs()) + 1.0));
    let product = c.apply(Instruction::Mul, &[reach, inverse]);
    let t = c.apply(Instruction::Sub, &[product, one]);
    let product = c.apply(Instruction::Mul, &[reach, rest]);
    let t = c.apply(Instruction::Add, &[product, t]);
    let sum = horner(c, t, &coefficients);
    let product = c.apply(Instruction::Mul, &[rest, sum]);
    let small = c.apply(Instruction::Add, &[product, lower]);
    let product = c.apply(Instruction::Mul, &[inverse, sum]);
    [upper, c.apply(Instruction::Add, &[product, small])]
}

/// The upper word of the first coefficient, and the rest of the polynomial: added last, it loses nothing to the smaller type.
fn without_first(c: &mut Component<'_, '_>, x: Value, coefficients: &[f64]) -> (Value, Value) {
    let (first, others) = coefficients.split_first().unwrap_or((&0.0, &[]));
    let [upper, lower] = parts(*first).map(|part| c.constant(part));
    let others = horner(c, x, others);
    let product = c.apply(Instruction::Mul, &[x, others]);
    (upper, c.apply(Instruction::Add, &[product, lower]))
}

/// The smaller of `s` and `bound`. NaN stays.
pub(super) fn bounded(c: &mut Component<'_, '_>, s: Value, bound: f64) -> Value {
    let bound = c.constant(bound);
    c.apply(Instruction::Min, &[bound, s])
}

/// The coefficients of `scale` sum_k (m+k)!/(k! (m-k)!) (2s)^-k in 1/s.
fn reversed_bessel(m: usize, scale: f64) -> Vec<f64> {
    let mut coefficients = vec![scale];
    for k in 0..m {
        coefficients.push(coefficients[k] * ratio_of_terms(m, k));
    }
    coefficients
}

/// What coefficient k + 1 of these is of coefficient k.
fn ratio_of_terms(m: usize, k: usize) -> f64 {
    ((m + k + 1) * (m - k)) as f64 / (2.0 * (k + 1) as f64)
}

/// sqrt(pi / 2)
fn root_of_half_pi() -> Twofold {
    (PI * 0.5.into()).sqrt()
}
