//! Numbers that carry derivatives, and that can show how much their rounding matters.
//!
//! A [`Number`] is a polynomial in infinitesimals whose squares are 0, one for each differentiation that is under way: what
//! stands at an infinitesimal is the derivative. The reference is written in these, so that it differentiates without any rule
//! for an operation that is no elementary function.
//!
//! Within [`observe`] every inexact result is moved by a few units in the last place (Monte Carlo arithmetic, Parker 1997): by
//! how much a value moves from one such evaluation to the next, so much may any other evaluation differ.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::random::Random;

/// The largest order of derivatives.
pub(crate) const ORDER: usize = 3;

/// The size of the noise, relative to a result: four units in the last place.
const NOISE: f64 = 1.0 / (1u64 << 50) as f64;

/// Numbers below this have roundings of this size.
const TINY: f64 = 1e-290;

/// What an evaluation met that allows others to differ.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Met {
    /// A number that is not finite, in a value or in a derivative.
    pub(crate) not_finite: bool,
    /// A product or quotient of 0 that is NaN, or a difference of what is not finite: the documented exceptions from IEEE 754.
    pub(crate) absorbed: bool,
    /// A quotient by 0, whose sign is that of a zero, which has no meaning in formulas.
    pub(crate) divided_by_zero: bool,
    /// A result that is too large, which it may not be where operations come in another order.
    pub(crate) overflowed: bool,
    /// A case that the documentation leaves open.
    pub(crate) unspecified: bool,
}

impl Met {
    pub(crate) fn or(self, other: Met) -> Met {
        Met {
            not_finite: self.not_finite || other.not_finite,
            absorbed: self.absorbed || other.absorbed,
            divided_by_zero: self.divided_by_zero || other.divided_by_zero,
            overflowed: self.overflowed || other.overflowed,
            unspecified: self.unspecified || other.unspecified,
        }
    }
}

#[derive(Default)]
struct Arithmetic {
    noise: Option<Random>,
    met: Met,
    /// Whether differences of what may have been rounded before are taken.
    linear: bool,
}

thread_local! {
    static ARITHMETIC: RefCell<Arithmetic> = RefCell::default();
}

/// The result of an evaluation, with noise if there are random numbers for it, and what it met.
pub(crate) fn observe<T>(noise: Option<Random>, evaluate: impl FnOnce() -> T) -> (T, Met) {
    ARITHMETIC.set(Arithmetic {
        noise,
        ..Arithmetic::default()
    });
    let result = evaluate();
    (result, ARITHMETIC.take().met)
}

fn note(change: impl FnOnce(&mut Met)) {
    ARITHMETIC.with_borrow_mut(|arithmetic| change(&mut arithmetic.met));
}

/// Says that the documentation leaves open what is computed here.
pub(crate) fn unspecified() {
    note(|met| met.unspecified = true);
}

/// A result with an absolute error of `size`.
pub(crate) fn blurred(x: f64, size: f64) -> f64 {
    ARITHMETIC.with_borrow_mut(|arithmetic| {
        arithmetic.met.not_finite |= !x.is_finite();
        match &mut arithmetic.noise {
            Some(random) if x.is_finite() => x + size * random.between(-1.0, 1.0),
            _ => x,
        }
    })
}

/// A result with a relative error of a few units in the last place, unless it is exact.
pub(crate) fn rounded(x: f64, exact: bool) -> f64 {
    // Numbers may underflow earlier elsewhere.
    let underflow = if x.abs() < TINY { TINY } else { 0.0 };
    blurred(
        x,
        if exact {
            0.0
        } else {
            NOISE * x.abs() + underflow
        },
    )
}

/// An evaluation of a linear formula at a basis vector, as whose multiples others may have terms that cancel here.
pub(crate) fn linear<T>(evaluate: impl FnOnce() -> T) -> T {
    let set = |linear| {
        ARITHMETIC.with_borrow_mut(|arithmetic| std::mem::replace(&mut arithmetic.linear, linear))
    };
    let before = set(true);
    let result = evaluate();
    set(before);
    result
}

/// A sum of terms of derivatives. Elsewhere what cancels may have been rounded before.
fn slope_sum(a: f64, b: f64) -> f64 {
    linear(|| sum(a, b))
}

/// Notes if a result is infinite though its operands are not.
fn checked(x: f64, a: f64, b: f64) -> f64 {
    if x.is_infinite() && a.is_finite() && b.is_finite() {
        note(|met| met.overflowed = true);
    }
    x
}

fn sum(a: f64, b: f64) -> f64 {
    let sum = checked(a + b, a, b);
    if !a.is_finite() && !b.is_finite() {
        note(|met| met.absorbed = true);
    }
    // The rounding error of a sum (Knuth).
    let virtual_b = sum - a;
    let error = (a - (sum - virtual_b)) + (b - virtual_b);
    let largest = a.abs().max(b.abs());
    let cancels = sum.abs() < 0.5 * largest;
    if cancels && ARITHMETIC.with_borrow(|arithmetic| arithmetic.linear) {
        return blurred(sum, NOISE * largest);
    }
    rounded(sum, error == 0.0)
}

fn product(a: f64, b: f64) -> f64 {
    if (a == 0.0 && !b.is_finite()) || (b == 0.0 && !a.is_finite()) {
        note(|met| met.absorbed = true);
    }
    let product = checked(a * b, a, b);
    let underflow = product == 0.0 && a != 0.0 && b != 0.0;
    rounded(product, a.mul_add(b, -product) == 0.0 && !underflow)
}

fn quotient(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        note(|met| met.divided_by_zero = true);
    }
    // The divisor of 0 may be a rounding error, and 0 elsewhere; the inverse of an infinite constant is 0, and 0 times anything.
    if a == 0.0 && !(b.abs() > 1e-14) || b.is_infinite() && !a.is_finite() {
        note(|met| met.absorbed = true);
    }
    let quotient = checked(a / b, a, b);
    rounded(quotient, quotient.mul_add(b, -a) == 0.0)
}

/// A number with its derivatives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// How many infinitesimals there are.
    order: usize,
    /// What stands at each product of infinitesimals: bit n of the position is set where infinitesimal n is a factor.
    parts: [f64; 1 << ORDER],
}

impl From<f64> for Number {
    fn from(x: f64) -> Number {
        let mut parts = [0.0; 1 << ORDER];
        parts[0] = x;
        Number { order: 0, parts }
    }
}

impl Number {
    pub(crate) const ZERO: Number = Number {
        order: 0,
        parts: [0.0; 1 << ORDER],
    };

    /// The number itself, without its derivatives.
    pub(crate) fn real(self) -> f64 {
        self.parts[0]
    }

    /// `self` + infinitesimal number `order` times `slope`; both have infinitesimals of lower numbers alone.
    pub(crate) fn with_slope(self, order: usize, slope: Number) -> Number {
        assert!(self.order <= order && slope.order <= order && order < ORDER);
        let mut parts = self.parts;
        parts[1 << order..2 << order].copy_from_slice(&slope.parts[..1 << order]);
        Number {
            order: order + 1,
            parts,
        }
    }

    /// What stands at infinitesimal number `order`, which is the last one.
    pub(crate) fn slope(self, order: usize) -> Number {
        self.at(order)
            .map_or(Number::ZERO, |(_, slope)| slope.inexact())
    }

    fn at(self, order: usize) -> Option<(Number, Number)> {
        if self.order <= order {
            return None;
        }
        let (mut low, mut high) = (Number::ZERO, Number::ZERO);
        low.parts[..1 << order].copy_from_slice(&self.parts[..1 << order]);
        high.parts[..1 << order].copy_from_slice(&self.parts[1 << order..2 << order]);
        (low.order, high.order) = (order, order);
        Some((low, high))
    }

    /// As a result of `others`: it has their infinitesimals, even where their slopes are 0.
    pub(crate) fn depending_on(mut self, others: &[Number]) -> Number {
        for other in others {
            self.order = self.order.max(other.order);
        }
        self
    }

    /// With noise in every part: derivatives that are exact here may not be elsewhere.
    fn inexact(mut self) -> Number {
        self.parts = self.parts.map(|part| blurred(part, NOISE * part.abs()));
        self
    }

    fn is_zero(self) -> bool {
        self.parts.iter().all(|&part| part == 0.0)
    }

    /// The function of these values and slopes; slopes are asked for where they matter.
    pub(crate) fn through(
        self,
        value: &dyn Fn(f64) -> f64,
        slope: &dyn Fn(Number) -> Number,
    ) -> Number {
        let Some((low, high)) = self.order.checked_sub(1).and_then(|last| self.at(last)) else {
            let x = self.real();
            let y = checked(value(x), x, x);
            // e^0 and log 1 are exact, and so is what libraries make of them.
            let exact = [0.0, 1.0].contains(&x) && y.fract() == 0.0;
            return rounded(y, exact).into();
        };
        let rest = low.through(value, slope);
        rest.with_slope(self.order - 1, weighted(high, &|| slope(low)))
    }

    /// The same for a function of two numbers.
    pub(crate) fn through2(
        self,
        other: Number,
        value: &dyn Fn(f64, f64) -> f64,
        slopes: [&dyn Fn(Number, Number) -> Number; 2],
    ) -> Number {
        let order = self.order.max(other.order);
        let Some(last) = order.checked_sub(1) else {
            let [x, y] = [self.real(), other.real()];
            let z = checked(value(x, y), x, y);
            let exact = [x, y].iter().all(|x| [0.0, 1.0].contains(x)) && z.fract() == 0.0;
            return rounded(z, exact).into();
        };
        let [(x, dx), (y, dy)] =
            [self, other].map(|number| number.at(last).unwrap_or((number, Number::ZERO)));
        let rest = x.through2(y, value, slopes);
        let slope = weighted(dx, &|| slopes[0](x, y)) + weighted(dy, &|| slopes[1](x, y));
        rest.with_slope(last, slope)
    }
}

/// A change times a slope; what does not change has none.
fn weighted(change: Number, slope: &dyn Fn() -> Number) -> Number {
    // Whether it is finite is noted all the same.
    let slope = slope();
    if change.is_zero() {
        return Number::ZERO;
    }
    (slope * change).inexact()
}

impl Add for Number {
    type Output = Number;
    fn add(self, other: Number) -> Number {
        let order = self.order.max(other.order);
        let mut parts = [0.0; 1 << ORDER];
        parts[0] = sum(self.parts[0], other.parts[0]);
        for s in 1..1 << order {
            parts[s] = slope_sum(self.parts[s], other.parts[s]);
        }
        Number { order, parts }
    }
}

impl Neg for Number {
    type Output = Number;
    fn neg(self) -> Number {
        Number {
            order: self.order,
            parts: self.parts.map(|part| -part),
        }
    }
}

impl Sub for Number {
    type Output = Number;
    fn sub(self, other: Number) -> Number {
        self + -other
    }
}

impl Mul for Number {
    type Output = Number;
    fn mul(self, other: Number) -> Number {
        let order = self.order.max(other.order);
        let mut parts = [0.0; 1 << ORDER];
        for s in 0..1 << order {
            parts[s] = products(s, s, &self.parts, &other.parts);
        }
        Number { order, parts }
    }
}

impl Div for Number {
    type Output = Number;
    fn div(self, other: Number) -> Number {
        let order = self.order.max(other.order);
        let mut parts = [0.0; 1 << ORDER];
        parts[0] = quotient(self.parts[0], other.parts[0]);
        for s in 1..1 << order {
            // The part at s of quotient times divisor is that of the dividend.
            let rest = products(s, s - 1, &parts, &other.parts);
            let rest = if rest == 0.0 {
                self.parts[s]
            } else {
                slope_sum(self.parts[s], -rest)
            };
            parts[s] = match rest {
                0.0 => 0.0,
                rest => quotient(rest, other.parts[0]),
            };
        }
        Number { order, parts }
    }
}

/// The part at `s` of a product, from the parts of the first factor up to `last`. Derivatives that are 0 stay out of it.
fn products(s: usize, last: usize, a: &[f64], b: &[f64]) -> f64 {
    if s == 0 {
        return product(a[0], b[0]);
    }
    let mut total = 0.0;
    for t in (0..=last).filter(|t| t & !s == 0) {
        let (x, y) = (a[t], b[s ^ t]);
        if x != 0.0 && y != 0.0 {
            total = slope_sum(total, product(x, y));
        }
    }
    total
}

impl std::iter::Sum for Number {
    fn sum<I: Iterator<Item = Number>>(numbers: I) -> Number {
        numbers.reduce(Add::add).unwrap_or(Number::ZERO)
    }
}

/// The elementary functions, by their definition and their derivative in calculus; where there is none, by the convention.
impl Number {
    pub(crate) fn exp(self) -> Number {
        self.through(&f64::exp, &Number::exp)
    }

    pub(crate) fn ln(self) -> Number {
        self.through(&f64::ln, &|x| Number::from(1.0) / x)
    }

    pub(crate) fn sin(self) -> Number {
        self.through(&f64::sin, &Number::cos)
    }

    pub(crate) fn cos(self) -> Number {
        self.through(&f64::cos, &|x| -x.sin())
    }

    /// 0 at 0 with all derivatives.
    pub(crate) fn sqrt(self) -> Number {
        self.through(&f64::sqrt, &|x| Number::from(0.5) * x.rsqrt())
    }

    /// 0 at 0 with all derivatives.
    pub(crate) fn rsqrt(self) -> Number {
        let value = |x: f64| if x == 0.0 { 0.0 } else { 1.0 / x.sqrt() };
        self.through(&value, &|x| match x.real() {
            0.0 => Number::ZERO,
            _ => Number::from(-0.5) * x.rsqrt() / x,
        })
    }

    /// The n-th power.
    pub(crate) fn powi(self, n: i64) -> Number {
        let value = |x: f64| match x {
            0.0 if n < 0 => quotient(1.0, 0.0),
            _ => x.powf(n as f64),
        };
        self.through(&value, &|x| match n {
            0 => Number::ZERO,
            _ => Number::from(n as f64) * x.powi(n - 1),
        })
    }

    /// Whether it is NaN, which every comparison with another finds false.
    pub(crate) fn is_nan(self) -> bool {
        self.real().is_nan()
    }
}
