//! Arithmetic that can show how much its rounding matters.
//!
//! Within [`observe`] every inexact result is moved by a few units in the last place (Monte Carlo arithmetic, Parker 1997): by
//! how much a value moves from one such evaluation to the next, so much may any other evaluation differ.

use std::cell::RefCell;

use crate::random::Random;

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
}

thread_local! {
    static ARITHMETIC: RefCell<Arithmetic> = RefCell::default();
}

/// The result of an evaluation, with noise if there are random numbers for it, and what it met.
pub(crate) fn observe<T>(noise: Option<Random>, evaluate: impl FnOnce() -> T) -> (T, Met) {
    let met = Met::default();
    ARITHMETIC.set(Arithmetic { noise, met });
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

/// Notes if a result is infinite though its operands are not.
fn checked(x: f64, operands: [f64; 2]) -> f64 {
    if x.is_infinite() && operands.iter().all(|x| x.is_finite()) {
        note(|met| met.overflowed = true);
    }
    x
}

/// A real number, and whether it is known to be the very one that others compute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real {
    pub(crate) value: f64,
    exact: bool,
}

impl Real {
    pub(crate) const ZERO: Real = Real::exact(0.0);

    pub(crate) const fn exact(value: f64) -> Real {
        Real { value, exact: true }
    }

    /// A result that has the roundings of numbers of this size, unless it is exact.
    fn new(value: f64, exact: bool, size: f64) -> Real {
        // Numbers may underflow earlier elsewhere.
        let underflow = if value.abs() < TINY { TINY } else { 0.0 };
        let size = if exact { 0.0 } else { NOISE * size + underflow };
        let value = blurred(value, size);
        Real { value, exact }
    }

    /// The value of a function of these arguments.
    pub(crate) fn of_function(value: f64, arguments: [Real; 2]) -> Real {
        // e^0 and log 1 are exact, and so is what libraries make of them.
        let simple = |x: &Real| x.exact && [0.0, 1.0].contains(&x.value);
        let exact = arguments.iter().all(simple) && value.fract() == 0.0;
        let value = checked(value, arguments.map(|x| x.value));
        Real::new(value, exact, value.abs())
    }

    /// The same number, as others may have rounded it.
    pub(crate) fn inexact(self) -> Real {
        Real::new(self.value, self.is_zero(), self.value.abs())
    }

    /// Whether it is 0 whatever is rounded.
    pub(crate) fn is_zero(self) -> bool {
        self.exact && self.value == 0.0
    }

    pub(crate) fn negated(self) -> Real {
        let value = -self.value;
        Real { value, ..self }
    }

    pub(crate) fn plus(self, other: Real) -> Real {
        let (a, b) = (self.value, other.value);
        let sum = checked(a + b, [a, b]);
        if !a.is_finite() && !b.is_finite() {
            note(|met| met.absorbed = true);
        }
        // The rounding error of a sum (Knuth).
        let virtual_b = sum - a;
        let error = (a - (sum - virtual_b)) + (b - virtual_b);
        let terms_are_exact = self.exact && other.exact;
        let exact = terms_are_exact && error == 0.0;
        // Where terms cancel that others have rounded in another way, their roundings are left.
        let largest = a.abs().max(b.abs());
        Real::new(
            sum,
            exact,
            if terms_are_exact { sum.abs() } else { largest },
        )
    }

    pub(crate) fn times(self, other: Real) -> Real {
        let (a, b) = (self.value, other.value);
        if a == 0.0 && !b.is_finite() || b == 0.0 && !a.is_finite() {
            note(|met| met.absorbed = true);
        }
        let product = checked(a * b, [a, b]);
        let underflow = product == 0.0 && a != 0.0 && b != 0.0;
        let error = a.mul_add(b, -product);
        let exact = self.exact && other.exact && error == 0.0 && !underflow;
        let zero = self.is_zero() || other.is_zero();
        Real::new(product, exact || zero, product.abs())
    }

    pub(crate) fn over(self, other: Real) -> Real {
        let (a, b) = (self.value, other.value);
        // A divisor that is a rounding error is 0 elsewhere.
        let by_zero = b == 0.0 || !other.exact && b.abs() <= 1e-14;
        if by_zero {
            note(|met| met.divided_by_zero = true);
        }
        // The inverse of an infinite constant is 0, and 0 times anything.
        if a == 0.0 && (by_zero || b.is_nan()) || b.is_infinite() && !a.is_finite() {
            note(|met| met.absorbed = true);
        }
        let quotient = checked(a / b, [a, b]);
        let exact = self.exact && other.exact && quotient.mul_add(b, -a) == 0.0;
        Real::new(quotient, exact || self.is_zero(), quotient.abs())
    }
}
