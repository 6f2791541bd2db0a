//! Numbers of two doubles, with about 31 decimal digits (Dekker 1971): what coefficients are computed in, so that they
//! are right to the last bit of a double.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The sum `hi + lo`, where `lo` is at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Twofold {
    hi: f64,
    lo: f64,
}

/// log 2
const LN_2: Twofold = Twofold::new(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
/// log2 e
pub(crate) const LOG2_E: Twofold =
    Twofold::new(std::f64::consts::LOG2_E, 2.035_527_374_093_103_3e-17);
/// pi
pub(crate) const PI: Twofold = Twofold::new(std::f64::consts::PI, 1.224_646_799_147_353_2e-16);

impl Twofold {
    pub(crate) const ZERO: Twofold = Twofold::new(0.0, 0.0);
    pub(crate) const ONE: Twofold = Twofold::new(1.0, 0.0);

    pub(crate) const fn new(hi: f64, lo: f64) -> Twofold {
        Twofold { hi, lo }
    }

    /// The nearest double.
    pub(crate) fn rounded(self) -> f64 {
        self.hi + self.lo
    }

    #[cfg(test)]
    pub(crate) fn abs(self) -> Twofold {
        if self.hi < 0.0 { -self } else { self }
    }

    /// `a + b` for `|a| >= |b|`
    fn quick_sum(a: f64, b: f64) -> Twofold {
        let hi = a + b;
        Twofold::new(hi, b - (hi - a))
    }

    /// The square root, by one step of Newton's method from that of the upper word.
    pub(crate) fn sqrt(self) -> Twofold {
        if self.hi <= 0.0 {
            return Twofold::ZERO;
        }
        let root = self.hi.sqrt();
        let rest = self - Twofold::from(root) * Twofold::from(root);
        Twofold::quick_sum(root, rest.rounded() / (2.0 * root))
    }

    /// The exponential function: its power series for a 64th of the argument without its powers of two.
    pub(crate) fn exp(self) -> Twofold {
        const HALVINGS: i32 = 6;
        if self.hi < -700.0 {
            return Twofold::ZERO;
        }
        let exponent = (self.hi / std::f64::consts::LN_2).round();
        let rest = (self - LN_2 * exponent.into()) * (0.5f64.powi(HALVINGS)).into();
        let (mut term, mut sum) = (Twofold::ONE, Twofold::ONE);
        for n in 1..14 {
            term = term * rest / f64::from(n).into();
            sum = sum + term;
        }
        for _ in 0..HALVINGS {
            sum = sum * sum;
        }
        sum * exponent.exp2().into()
    }

    /// 2^self
    pub(crate) fn exp2(self) -> Twofold {
        (self * LN_2).exp()
    }

    /// The cosine, by its power series: for arguments of a few periods at most.
    pub(crate) fn cos(self) -> Twofold {
        let square = self * self;
        let (mut term, mut sum) = (Twofold::ONE, Twofold::ONE);
        for n in 1..40 {
            let n = f64::from(n);
            term = -(term * square) / (2.0 * n * (2.0 * n - 1.0)).into();
            sum = sum + term;
        }
        sum
    }
}

impl From<f64> for Twofold {
    fn from(x: f64) -> Twofold {
        Twofold::new(x, 0.0)
    }
}

impl Add for Twofold {
    type Output = Twofold;
    fn add(self, other: Twofold) -> Twofold {
        // Knuth's sum, exact for operands of any size, of both words.
        let sum = |a: f64, b: f64| {
            let hi = a + b;
            let part = hi - a;
            Twofold::new(hi, (a - (hi - part)) + (b - part))
        };
        let (upper, lower) = (sum(self.hi, other.hi), sum(self.lo, other.lo));
        let middle = Twofold::quick_sum(upper.hi, upper.lo + lower.hi);
        Twofold::quick_sum(middle.hi, middle.lo + lower.lo)
    }
}

impl Neg for Twofold {
    type Output = Twofold;
    fn neg(self) -> Twofold {
        Twofold::new(-self.hi, -self.lo)
    }
}

impl Sub for Twofold {
    type Output = Twofold;
    fn sub(self, other: Twofold) -> Twofold {
        self + -other
    }
}

impl Mul for Twofold {
    type Output = Twofold;
    fn mul(self, other: Twofold) -> Twofold {
        let product = self.hi * other.hi;
        let lost = self.hi.mul_add(other.hi, -product);
        Twofold::quick_sum(product, lost + (self.hi * other.lo + self.lo * other.hi))
    }
}

impl Div for Twofold {
    type Output = Twofold;
    fn div(self, other: Twofold) -> Twofold {
        let first = self.hi / other.hi;
        let rest = self - other * first.into();
        let second = rest.hi / other.hi;
        let rest = rest - other * second.into();
        Twofold::quick_sum(first, second) + (rest.hi / other.hi).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Twofold, b: Twofold) -> bool {
        (a - b).abs().rounded() <= 1e-29 * b.abs().rounded()
    }

    #[test]
    fn functions_have_the_digits_of_two_doubles() {
        let third = Twofold::ONE / 3.0.into();
        assert!(close(third * 3.0.into(), Twofold::ONE));
        assert!(close(third.sqrt() * third.sqrt(), third));
        // e, from mpmath.
        let e = Twofold::new(std::f64::consts::E, 1.445_646_891_729_250_2e-16);
        assert!(close(Twofold::ONE.exp(), e));
        assert!(close((-Twofold::ONE).exp() * e, Twofold::ONE));
        let fourth = (PI / 4.0.into()).cos();
        assert!(close(fourth * fourth, 0.5.into()));
        assert!(close(LOG2_E * LN_2, Twofold::ONE));
        assert!((PI * 2.5.into()).cos().abs().rounded() < 1e-28);
    }
}
