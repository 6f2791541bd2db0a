//! Arithmetic that can show how much its rounding matters.
//!
//! Within [`observe`] every inexact result is moved by a few units in the last place (Monte Carlo arithmetic, Parker 1997): by
//! how much a value moves from one such evaluation to the next, so much may any other evaluation differ.

use std::cell::RefCell;

use crate::random::Random;

/// The size of the noise, relative to a result: four units in the last place.
pub(crate) const NOISE: f64 = 1.0 / (1u64 << 50) as f64;

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
pub(crate) fn slope_sum(a: f64, b: f64) -> f64 {
    linear(|| sum(a, b))
}

/// Notes if a result is infinite though its operands are not.
pub(crate) fn checked(x: f64, a: f64, b: f64) -> f64 {
    if x.is_infinite() && a.is_finite() && b.is_finite() {
        note(|met| met.overflowed = true);
    }
    x
}

pub(crate) fn sum(a: f64, b: f64) -> f64 {
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

pub(crate) fn product(a: f64, b: f64) -> f64 {
    if (a == 0.0 && !b.is_finite()) || (b == 0.0 && !a.is_finite()) {
        note(|met| met.absorbed = true);
    }
    let product = checked(a * b, a, b);
    let underflow = product == 0.0 && a != 0.0 && b != 0.0;
    rounded(product, a.mul_add(b, -product) == 0.0 && !underflow)
}

pub(crate) fn quotient(a: f64, b: f64) -> f64 {
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
