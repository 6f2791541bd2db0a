//! Powers of s times K(s), from polynomials, recurrences and closed forms in two words.

use super::super::arithmetic::integer_power;
use super::super::helpers::horner;
use super::super::two_words::TwoWords;
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
const MODERATE: std::ops::Range<f64> = 0.12..0.9;

/// Powers of exponents below this are near 1.
const NEAR_ONE: f64 = 0.16;

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
        let scale = (self.factor * root_of_half_pi()).rounded();
        let (zero, one) = (c.constant(0.0), c.constant(1.0));
        let inverse = c.apply(Div, &[one, s]);
        let mut sum = horner(c, inverse, &reversed_bessel(m, scale));
        if let Some(excess) = excess {
            // The derivative with respect to s^2 is -1/2 of the value of the order above.
            let above = horner(c, inverse, &reversed_bessel(m + 1, -0.5 * scale));
            let change = c.apply(Mul, &[excess, inverse]);
            let change = c.apply(Mul, &[change, above]);
            sum = c.apply(Add, &[change, sum]);
        }
        let minus = c.apply(Neg, &[s]);
        let decay = c.apply_as_written(Exp, &[minus]);
        let value = c.apply(Mul, &[decay, sum]);
        let value = times_power(c, &[value], s, self.power - 0.5);
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
        let value = times_power(c, &words, halved, exponent);
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
        let sum = smooth_part(c, s, self.order, scale);
        let sum = changed(c, sum, change);
        let decay = c.apply_as_written(Instruction::Exp, &[minus]);
        let decay = times_power(c, &[decay], s, self.power - 0.5);
        scaled(c, decay, &sum)
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
            let sum = smooth_part(c, s, order, scale * root_of_half_pi());
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
            return times_power(c, &[value], s, lowest - 0.5);
        }
        let value = times_power(c, &[value], s, self.power - 0.5);
        // Where it is larger than the largest number, the lower word is none.
        let (zero, infinity) = (c.constant(0.0), c.constant(f64::INFINITY));
        let large = c.apply(SelectLe, &[zero, s, infinity, value]);
        c.apply(SelectEq, &[value, value, value, large])
    }
}

/// scale e^s sqrt(2s / pi) K_order(s), as the sum of two words, the first of which is a constant
fn smooth_part(c: &mut Component<'_, '_>, s: Value, order: f64, scale: Twofold) -> [Value; 2] {
    let scale = scale.rounded();
    let [upper, lower] = parts(scale).map(|part| c.constant(part));
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

/// What the smaller type can hold of a number, and the rest.
fn parts(x: f64) -> [f64; 2] {
    let held = f64::from(x as f32);
    [held, x - held]
}

/// The sum of one or two words times s^exponent, for s >= 0: by products and quotients where twice the exponent is a small integer.
fn times_power(c: &mut Component<'_, '_>, words: &[Value], s: Value, exponent: f64) -> Value {
    use Instruction::*;
    let twice = 2.0 * exponent;
    if twice.fract() == 0.0 && twice.abs() <= 7.0 {
        let mut power = integer_power(c, s, exponent.abs() as i64);
        if exponent.fract() != 0.0 {
            let root = c.apply(Sqrt, &[s]);
            power = c.apply(Mul, &[power, root]);
        }
        if exponent < 0.0 {
            let value = sum(c, words);
            return c.apply(Div, &[value, power]);
        }
        return scaled(c, power, words);
    }
    let [held, rest] = TwoWords::nearest(c, exponent.into()).words();
    let mut power = c.apply(Pow, &[s, held]);
    if f64::from(exponent as f32) != exponent {
        // What the smaller type cannot hold of the exponent is a factor of its own, near 1 for all but zero and infinity.
        let (zero, infinity) = (c.constant(0.0), c.constant(f64::INFINITY));
        let log = c.apply(Log, &[s]);
        let change = c.apply(Mul, &[rest, log]);
        let product = c.apply(Mul, &[power, change]);
        let whole = c.apply(Add, &[power, product]);
        let whole = c.apply(SelectEq, &[power, infinity, power, whole]);
        power = c.apply(SelectEq, &[s, zero, power, whole]);
    }
    let powered = scaled(c, power, words);
    if exponent.abs() >= NEAR_ONE {
        return powered;
    }
    // Near 1 the power less one has fewer roundings; those of small numbers are not near 1.
    let less_one = power_less_one(c, s, exponent);
    let value = sum(c, words);
    let change = c.apply(Mul, &[value, less_one]);
    let near = match *words {
        [first, second] => {
            let small = c.apply(Add, &[change, second]);
            c.apply(Add, &[small, first])
        }
        _ => c.apply(Add, &[value, change]),
    };
    let small = c.constant((-0.25 / exponent.abs()).exp());
    c.apply(SelectLt, &[s, small, powered, near])
}

/// The sum of two words and its relative change.
fn changed(
    c: &mut Component<'_, '_>,
    [first, second]: [Value; 2],
    change: Option<Value>,
) -> [Value; 2] {
    let Some(change) = change else {
        return [first, second];
    };
    let both = c.apply(Instruction::Add, &[first, second]);
    let change = c.apply(Instruction::Mul, &[change, both]);
    [first, c.apply(Instruction::Add, &[change, second])]
}

/// The sum of one or two words.
fn sum(c: &mut Component<'_, '_>, words: &[Value]) -> Value {
    match *words {
        [first, second] => c.apply(Instruction::Add, &[first, second]),
        _ => words[0],
    }
}

/// The sum of one or two words times a factor, with one rounding of the first.
fn scaled(c: &mut Component<'_, '_>, factor: Value, words: &[Value]) -> Value {
    let [first, second] = *words else {
        return c.apply(Instruction::Mul, &[words[0], factor]);
    };
    let second = c.apply(Instruction::Mul, &[factor, second]);
    let first = c.apply(Instruction::Mul, &[factor, first]);
    c.apply(Instruction::Add, &[second, first])
}

/// The sum of the regular series, and of the singular one times s^exponent - 1, for an exponent near 0, in two words: they cancel, and their roundings would be
/// multiplied.
fn difference_of_powers(
    c: &mut Component<'_, '_>,
    s: Value,
    square: Value,
    exponent: f64,
    regular: &[f64],
    singular: &[f64],
) -> [Value; 2] {
    use Instruction::*;
    // Large instead of infinite, of which parts could cancel. NaN stays.
    let (log, least, one) = (c.apply(Log, &[s]), c.constant(-1e30), c.constant(1.0));
    let log = c.apply(Max, &[least, log]);
    let log = TwoWords::of(c, log);
    let product = TwoWords::constant(c, exponent.into()).times(c, log);
    let [whole, rest] = product.words();
    let less_one = c.apply(Expm1, &[whole]);
    let power = c.apply(Add, &[one, less_one]);
    let rest = c.apply(Mul, &[power, rest]);
    let [less_one, rest] = [less_one, rest].map(|word| TwoWords::of(c, word));
    let less_one = less_one.plus(c, rest);
    let [regular, singular] = [regular, singular].map(|coefficients| {
        let (first, others) = coefficients.split_first().unwrap_or((&0.0, &[]));
        let first = TwoWords::constant(c, (*first).into());
        if others.is_empty() {
            return first;
        }
        let others = horner(c, square, others);
        let others = c.apply(Mul, &[square, others]);
        let others = TwoWords::of(c, others);
        first.plus(c, others)
    });
    let product = singular.times(c, less_one);
    product.plus(c, regular).words()
}

/// s^exponent - 1 for an exponent near 0.
fn power_less_one(c: &mut Component<'_, '_>, s: Value, exponent: f64) -> Value {
    // Large instead of infinite, of which parts could cancel. NaN stays.
    let (log, least) = (c.apply(Instruction::Log, &[s]), c.constant(-1e30));
    let log = c.apply(Instruction::Max, &[least, log]);
    let [held, rest] = parts(exponent).map(|part| c.constant(part));
    let product = c.apply(Instruction::Mul, &[held, log]);
    let correction = c.apply(Instruction::Mul, &[rest, log]);
    let product = c.apply(Instruction::Add, &[product, correction]);
    c.apply(Instruction::Expm1, &[product])
}

/// The coefficients of `scale` sum_k (m+k)!/(k! (m-k)!) (2s)^-k in 1/s.
fn reversed_bessel(m: usize, scale: f64) -> Vec<f64> {
    let mut coefficients = vec![scale];
    for k in 0..m {
        let ratio = ((m + k + 1) * (m - k)) as f64 / (2.0 * (k + 1) as f64);
        coefficients.push(coefficients[k] * ratio);
    }
    coefficients
}

/// sqrt(pi / 2)
fn root_of_half_pi() -> Twofold {
    (PI * 0.5.into()).sqrt()
}
