//! Numbers of two words in core instructions (Dekker 1971): for long recurrences, whose roundings would add up.

use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::twofold::Twofold;

/// The sum `hi + lo`, where `lo` is small against `hi`.
#[derive(Clone, Copy)]
pub(super) struct TwoWords {
    hi: Value,
    lo: Value,
}

impl TwoWords {
    /// A number of one word.
    pub(super) fn of(c: &mut Component<'_, '_>, value: Value) -> TwoWords {
        let lo = c.constant(0.0);
        TwoWords { hi: value, lo }
    }

    /// A constant, to 48 bits at least in either type: its upper word fits into the smaller one.
    pub(super) fn constant(c: &mut Component<'_, '_>, x: Twofold) -> TwoWords {
        let hi = f64::from(x.rounded() as f32);
        let lo = (x - hi.into()).rounded();
        TwoWords {
            hi: c.constant(hi),
            lo: c.constant(lo),
        }
    }

    /// A constant whose upper word is the nearest number of either type, so that it is all that products need of it at first.
    pub(super) fn nearest(c: &mut Component<'_, '_>, x: Twofold) -> TwoWords {
        use Instruction::*;
        let all = x.rounded();
        let held = f64::from(all as f32);
        let [hi, held, rest, beyond] =
            [all, held, all - held, (x - all.into()).rounded()].map(|part| c.constant(part));
        // What the smaller type cannot hold of the double is 0 in the larger one: as the compiler of the kernel finds, not this one.
        let gained = c.apply_as_written(Sub, &[hi, held]);
        let lo = c.apply_as_written(Sub, &[rest, gained]);
        let lo = c.apply(Add, &[lo, beyond]);
        TwoWords { hi, lo }
    }

    /// The sum of two words of any size, exactly (Knuth).
    pub(super) fn sum(c: &mut Component<'_, '_>, a: Value, b: Value) -> TwoWords {
        use Instruction::*;
        let hi = c.apply(Add, &[a, b]);
        let part = c.apply(Sub, &[hi, a]);
        let rest = c.apply(Sub, &[hi, part]);
        let first = c.apply(Sub, &[a, rest]);
        let second = c.apply(Sub, &[b, part]);
        let lo = c.apply(Add, &[first, second]);
        TwoWords { hi, lo }
    }

    /// 1 / x
    pub(super) fn inverse(self, c: &mut Component<'_, '_>) -> TwoWords {
        use Instruction::*;
        let one = c.constant(1.0);
        let hi = c.apply(Div, &[one, self.hi]);
        let first = TwoWords::of(c, hi);
        let product = self.times(c, first);
        let rest = c.apply(Sub, &[one, product.hi]);
        let rest = c.apply(Sub, &[rest, product.lo]);
        let lo = c.apply(Mul, &[rest, hi]);
        TwoWords { hi, lo }
    }

    /// self / other, given the inverse of `self` to a few digits.
    pub(super) fn over(
        self,
        c: &mut Component<'_, '_>,
        other: TwoWords,
        inverse: Value,
    ) -> TwoWords {
        use Instruction::*;
        let hi = c.apply(Div, &[self.hi, other.hi]);
        let rest = c.apply(Residual, &[other.hi, hi, self.hi]);
        let rest = c.apply(Add, &[rest, self.lo]);
        let product = c.apply(Mul, &[other.lo, hi]);
        let rest = c.apply(Sub, &[rest, product]);
        let relative = c.apply(Mul, &[inverse, rest]);
        let lo = c.apply(Mul, &[hi, relative]);
        TwoWords { hi, lo }
    }

    /// The words.
    pub(super) fn words(self) -> [Value; 2] {
        [self.hi, self.lo]
    }

    pub(super) fn plus(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        self.loosely_plus(c, other).normalized(c)
    }

    /// The sum, in words that may overlap in a few digits.
    pub(super) fn loosely_plus(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        let TwoWords { hi, lo: lost } = TwoWords::sum(c, self.hi, other.hi);
        let lows = c.apply(Instruction::Add, &[self.lo, other.lo]);
        let lo = c.apply(Instruction::Add, &[lost, lows]);
        TwoWords { hi, lo }
    }

    pub(super) fn times(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        self.loosely_times(c, other).normalized(c)
    }

    /// The product, in words that may overlap in a few digits.
    pub(super) fn loosely_times(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        use Instruction::*;
        let hi = c.apply_as_written(Mul, &[self.hi, other.hi]);
        let lost = c.apply(ProductError, &[self.hi, other.hi]);
        let cross = c.apply(Mul, &[self.hi, other.lo]);
        let lo = c.apply(Add, &[lost, cross]);
        let cross = c.apply(Mul, &[self.lo, other.hi]);
        let lo = c.apply(Add, &[lo, cross]);
        TwoWords { hi, lo }
    }

    /// The power n > 0, in words that may overlap in as many digits as n has.
    pub(super) fn power(self, c: &mut Component<'_, '_>, n: usize) -> TwoWords {
        let half = match n {
            0 | 1 => return self,
            _ => self.power(c, n / 2),
        };
        let square = half.loosely_times(c, half);
        match n % 2 {
            0 => square,
            _ => square.loosely_times(c, self),
        }
    }

    /// The nearest number of one word.
    pub(super) fn rounded(self, c: &mut Component<'_, '_>) -> Value {
        c.apply(Instruction::Add, &[self.hi, self.lo])
    }

    /// The same number, with as much as fits in the upper word.
    fn normalized(self, c: &mut Component<'_, '_>) -> TwoWords {
        let hi = self.rounded(c);
        let gone = c.apply(Instruction::Sub, &[hi, self.hi]);
        let lo = c.apply(Instruction::Sub, &[self.lo, gone]);
        TwoWords { hi, lo }
    }
}
