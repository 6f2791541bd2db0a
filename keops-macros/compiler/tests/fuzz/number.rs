//! Numbers that carry derivatives.
//!
//! A [`Number`] is a polynomial in infinitesimals whose squares are 0, one for each differentiation that is under way: what
//! stands at an infinitesimal is the derivative. The reference is written in these, so that it differentiates without any rule
//! for an operation that is no elementary function. What they compute is [noisy](crate::noise).

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::noise::Real;

/// The largest order of derivatives.
pub(crate) const ORDER: usize = 3;

/// The number of products of infinitesimals, the empty one among them.
const PARTS: usize = 1 << ORDER;

/// A number with its derivatives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    /// How many infinitesimals there are.
    order: usize,
    /// What stands at each product of infinitesimals: bit n of the position is set where infinitesimal n is a factor.
    parts: [Real; PARTS],
}

impl From<f64> for Number {
    fn from(x: f64) -> Number {
        Number::ZERO.with_real(Real::exact(x))
    }
}

impl Number {
    pub(crate) const ZERO: Number = Number {
        order: 0,
        parts: [Real::ZERO; PARTS],
    };

    /// The number itself, without its derivatives.
    pub(crate) fn real(self) -> f64 {
        self.parts[0].value
    }

    fn with_real(mut self, real: Real) -> Number {
        self.parts[0] = real;
        self
    }

    /// `self` + infinitesimal number `order` times `slope`; both have infinitesimals of lower numbers alone.
    pub(crate) fn with_slope(self, order: usize, slope: Number) -> Number {
        assert!(self.order <= order && slope.order <= order && order < ORDER);
        let mut parts = self.parts;
        parts[1 << order..2 << order].copy_from_slice(&slope.inexact().parts[..1 << order]);
        Number {
            order: order + 1,
            parts,
        }
    }

    /// What stands at infinitesimal number `order`, which is the last one.
    pub(crate) fn slope(self, order: usize) -> Number {
        self.at(order).map_or(Number::ZERO, |(_, slope)| slope)
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

    /// As others may have rounded it: derivatives that are exact here may not be elsewhere.
    pub(crate) fn inexact(mut self) -> Number {
        self.parts = self.parts.map(Real::inexact);
        self
    }

    fn is_zero(self) -> bool {
        self.parts.iter().all(|part| part.value == 0.0)
    }

    /// The function of these values and slopes; slopes are asked for where they matter.
    pub(crate) fn through(
        self,
        value: &dyn Fn(f64) -> f64,
        slope: &dyn Fn(Number) -> Number,
    ) -> Number {
        let Some((low, high)) = self.order.checked_sub(1).and_then(|last| self.at(last)) else {
            let x = self.parts[0];
            let y = Real::of_function(value(x.value), [x, x]);
            return Number::ZERO.with_real(y);
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
            let [x, y] = [self.parts[0], other.parts[0]];
            let z = Real::of_function(value(x.value, y.value), [x, y]);
            return Number::ZERO.with_real(z);
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
    slope * change
}

impl Add for Number {
    type Output = Number;
    fn add(self, other: Number) -> Number {
        let order = self.order.max(other.order);
        let mut parts = [Real::ZERO; PARTS];
        for s in parts_of(order) {
            parts[s] = self.parts[s].plus(other.parts[s]);
        }
        Number { order, parts }
    }
}

impl Neg for Number {
    type Output = Number;
    fn neg(self) -> Number {
        Number {
            order: self.order,
            parts: self.parts.map(Real::negated),
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
        let mut parts = [Real::ZERO; PARTS];
        for s in parts_of(order) {
            parts[s] = products(s, s, &self.parts, &other.parts);
        }
        Number { order, parts }
    }
}

impl Div for Number {
    type Output = Number;
    fn div(self, other: Number) -> Number {
        let order = self.order.max(other.order);
        let mut parts = [Real::ZERO; PARTS];
        parts[0] = self.parts[0].over(other.parts[0]);
        for s in parts_of(order).skip(1) {
            // The part at s of quotient times divisor is that of the dividend.
            let rest = products(s, s - 1, &parts, &other.parts).negated();
            let rest = self.parts[s].plus(rest);
            if rest.value != 0.0 {
                parts[s] = rest.over(other.parts[0]);
            }
        }
        Number { order, parts }
    }
}

/// The positions of the parts of a number with so many infinitesimals.
fn parts_of(order: usize) -> std::ops::Range<usize> {
    0..1 << order
}

/// The part at `s` of a product, from the parts of the first factor up to `last`. Derivatives that are 0 stay out of it.
fn products(s: usize, last: usize, a: &[Real], b: &[Real]) -> Real {
    if s == 0 {
        return a[0].times(b[0]);
    }
    let mut total = Real::ZERO;
    for t in (0..=last).filter(|t| t & !s == 0) {
        let (x, y) = (a[t], b[s ^ t]);
        if x.value != 0.0 && y.value != 0.0 {
            total = total.plus(x.times(y));
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
            0.0 if n < 0 => Real::exact(1.0).over(Real::ZERO).value,
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
