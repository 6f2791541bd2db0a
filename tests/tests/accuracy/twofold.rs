//! Numbers of two doubles (Dekker 1971), and functions of them to 28 digits or more: what values in double precision are held against. They share nothing with what
//! is tested, and are held against mpmath themselves.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// The sum `hi + lo`, where `lo` is at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Twofold {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

pub(crate) const ZERO: Twofold = Twofold::new(0.0, 0.0);
pub(crate) const ONE: Twofold = Twofold::new(1.0, 0.0);
pub(crate) const PI: Twofold = Twofold::new(std::f64::consts::PI, 1.224_646_799_147_353_2e-16);
const LN_2: Twofold = Twofold::new(std::f64::consts::LN_2, 2.319_046_813_846_299_6e-17);
/// What pi/2 is more than its nearest number of two doubles.
const REST_OF_HALF_PI: f64 = -1.497_384_904_859_169_7e-33;

/// Terms below this against their sum are left out.
const NEGLIGIBLE: f64 = 1e-33;

impl Twofold {
    pub(crate) const fn new(hi: f64, lo: f64) -> Twofold {
        Twofold { hi, lo }
    }

    /// `a + b` for `|a| >= |b|`
    fn quick_sum(a: f64, b: f64) -> Twofold {
        let hi = a + b;
        Twofold::new(hi, b - (hi - a))
    }

    /// `self 2^n`
    fn scaled(self, n: f64) -> Twofold {
        let power = n.exp2();
        Twofold::new(self.hi * power, self.lo * power)
    }

    pub(crate) fn abs(self) -> Twofold {
        if self.hi < 0.0 { -self } else { self }
    }

    fn copysign(self, sign: Twofold) -> Twofold {
        if sign.hi < 0.0 { -self } else { self }
    }

    pub(crate) fn sqrt(self) -> Twofold {
        let root = self.hi.sqrt();
        if root == 0.0 {
            return ZERO;
        }
        let rest = self - Twofold::from(root) * root.into();
        Twofold::quick_sum(root, rest.hi / (2.0 * root))
    }

    pub(crate) fn powi(self, n: usize) -> Twofold {
        (0..n).fold(ONE, |product, _| product * self)
    }

    /// The sum of `term(n)` from n = 0 on, each of which is made of the one before.
    fn series(first: Twofold, mut next: impl FnMut(Twofold, f64) -> Twofold) -> Twofold {
        let (mut term, mut sum, mut n) = (first, first, 1.0);
        while term.hi.abs() > NEGLIGIBLE * sum.hi.abs() {
            term = next(term, n);
            sum = sum + term;
            n += 1.0;
        }
        sum
    }

    pub(crate) fn exp(self) -> Twofold {
        let n = (self.hi / std::f64::consts::LN_2).round();
        let rest = self - LN_2 * n.into();
        (ONE + rest.exp_m1_of_small()).scaled(n)
    }

    /// 2^self
    pub(crate) fn exp2(self) -> Twofold {
        let n = self.hi.round();
        let rest = (self - n.into()) * LN_2;
        (ONE + rest.exp_m1_of_small()).scaled(n)
    }

    pub(crate) fn exp_m1(self) -> Twofold {
        if self.hi.abs() < 0.5 {
            return self.exp_m1_of_small();
        }
        self.exp() - ONE
    }

    fn exp_m1_of_small(self) -> Twofold {
        const HALVINGS: i32 = 4;
        let part = self.scaled(f64::from(-HALVINGS));
        let sum = Twofold::series(part, |term, n| term * part / (n + 1.0).into());
        // (1 + e)^2 = 1 + e (2 + e)
        (0..HALVINGS).fold(sum, |e, _| e * (e + 2.0.into()))
    }

    pub(crate) fn ln(self) -> Twofold {
        if (0.5..2.0).contains(&self.hi) {
            return (self - ONE).ln_1p();
        }
        let value = Twofold::from(self.hi.ln());
        let power = value.exp();
        value + Twofold::from(2.0) * (self - power) / (self + power)
    }

    /// log(1 + self), by one step of Halley's method.
    pub(crate) fn ln_1p(self) -> Twofold {
        let value = Twofold::from(self.hi.ln_1p());
        let less_one = value.exp_m1();
        value + Twofold::from(2.0) * (self - less_one) / (self + less_one + 2.0.into())
    }

    /// self^exponent
    pub(crate) fn powf(self, exponent: Twofold) -> Twofold {
        (exponent * self.ln()).exp()
    }

    /// The sine and the cosine.
    pub(crate) fn sin_cos(self) -> [Twofold; 2] {
        let half_pi = PI.scaled(-1.0);
        let n = (self.hi / half_pi.hi).round();
        // The product with the upper word is exact in two words, and so is their difference.
        let upper = Twofold::from(half_pi.hi) * n.into();
        let lower = Twofold::from(half_pi.lo) * n.into();
        let r = self - upper - lower - (REST_OF_HALF_PI * n).into();
        let square = -(r * r);
        let sin = Twofold::series(r, |term, n| {
            term * square / (2.0 * n * (2.0 * n + 1.0)).into()
        });
        let cos = Twofold::series(ONE, |term, n| {
            term * square / (2.0 * n * (2.0 * n - 1.0)).into()
        });
        match n.rem_euclid(4.0) {
            0.0 => [sin, cos],
            1.0 => [cos, -sin],
            2.0 => [-sin, -cos],
            _ => [-cos, sin],
        }
    }

    /// The angle of the point (`x`, `y`), given it to the precision of a double.
    fn angle(y: Twofold, x: Twofold, value: f64) -> Twofold {
        let [sin, cos] = Twofold::from(value).sin_cos();
        Twofold::from(value) + (y * cos - x * sin) / (x * cos + y * sin)
    }

    pub(crate) fn atan(self) -> Twofold {
        Twofold::angle(self, ONE, self.hi.atan())
    }

    pub(crate) fn atan2(self, x: Twofold) -> Twofold {
        Twofold::angle(self, x, self.hi.atan2(x.hi))
    }

    pub(crate) fn asin(self) -> Twofold {
        self.atan2(((ONE - self) * (ONE + self)).sqrt())
    }

    pub(crate) fn acos(self) -> Twofold {
        ((ONE - self) * (ONE + self)).sqrt().atan2(self)
    }

    pub(crate) fn sinh(self) -> Twofold {
        let less_one = self.abs().exp_m1();
        let sum = less_one + less_one / (less_one + ONE);
        sum.scaled(-1.0).copysign(self)
    }

    pub(crate) fn cosh(self) -> Twofold {
        let power = self.abs().exp();
        (power + ONE / power).scaled(-1.0)
    }

    pub(crate) fn tanh(self) -> Twofold {
        let less_one = (self + self).exp_m1();
        less_one / (less_one + 2.0.into())
    }

    /// By a series of positive terms (DLMF 7.6.2).
    pub(crate) fn erf(self) -> Twofold {
        if self.hi.abs() > 6.5 {
            return ONE.copysign(self);
        }
        let square = self * self;
        let sum = Twofold::series(self, |term, n| {
            (term + term) * square / (2.0 * n + 1.0).into()
        });
        (sum + sum) * (-square).exp() / PI.sqrt()
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
