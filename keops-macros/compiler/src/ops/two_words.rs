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

    /// The words.
    pub(super) fn words(self) -> [Value; 2] {
        [self.hi, self.lo]
    }

    pub(super) fn plus(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        use Instruction::*;
        // Knuth's sum, exact for operands of any size.
        let hi = c.apply(Add, &[self.hi, other.hi]);
        let part = c.apply(Sub, &[hi, self.hi]);
        let rest = c.apply(Sub, &[hi, part]);
        let first = c.apply(Sub, &[self.hi, rest]);
        let second = c.apply(Sub, &[other.hi, part]);
        let lost = c.apply(Add, &[first, second]);
        let lows = c.apply(Add, &[self.lo, other.lo]);
        let lo = c.apply(Add, &[lost, lows]);
        TwoWords { hi, lo }.normalized(c)
    }

    pub(super) fn times(self, c: &mut Component<'_, '_>, other: TwoWords) -> TwoWords {
        use Instruction::*;
        let hi = c.apply_as_written(Mul, &[self.hi, other.hi]);
        let lost = c.apply(ProductError, &[self.hi, other.hi]);
        let cross = c.apply(Mul, &[self.hi, other.lo]);
        let lo = c.apply(Add, &[lost, cross]);
        let cross = c.apply(Mul, &[self.lo, other.hi]);
        let lo = c.apply(Add, &[lo, cross]);
        TwoWords { hi, lo }.normalized(c)
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
