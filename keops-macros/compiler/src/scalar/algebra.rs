//! Simplification of scalar expressions while they are built.
//!
//! Besides folding constants and absorbing zeros and ones, products are kept in a normal form in which the factors of
//! slower stages stand together, so that `-g * s` or `c * (g * s)` cost one multiplication per pair: everything else
//! is hoisted. Sums are never reassociated: that could cancel where the user's order does not.

use super::{Expr, Graph, Instruction, Stage, Value};
use Instruction::*;

/// The factors of a product, one for each stage that occurs; constants stand with the parameters.
type Factors = [Option<Value>; 4];

const PARAMS: usize = 0;
const I: usize = 1;
const J: usize = 2;
const PAIR: usize = 3;

impl Graph {
    /// The instruction applied to `args`, simplified.
    pub fn apply(&mut self, instruction: Instruction, args: &[Value]) -> Value {
        let constants: Option<Vec<f64>> = args.iter().map(|&a| self.as_constant(a)).collect();
        if let Some(constants) = constants {
            return self.constant((instruction.info().eval)(&constants));
        }
        match (instruction, args) {
            (Add, &[a, b]) => self.add(a, b),
            (Sub, &[a, b]) => self.sub(a, b),
            (Mul, &[a, b]) => self.mul(a, b),
            (Div, &[a, b]) => self.div(a, b),
            (Neg, &[a]) => self.neg(a),
            (Exp, &[a]) => self.exp(a),
            (SelectLt | SelectLe | SelectEq, &[_, _, c, d]) if c == d => c,
            _ => self.apply_exactly(instruction, args.to_vec()),
        }
    }

    /// The operands, if the value is this instruction.
    fn operands_of<const N: usize>(
        &self,
        value: Value,
        instruction: Instruction,
    ) -> Option<[Value; N]> {
        match self.expr(value) {
            Expr::Apply(found, args) if *found == instruction => args.as_slice().try_into().ok(),
            _ => None,
        }
    }

    fn is(&self, value: Value, x: f64) -> bool {
        self.as_constant(value) == Some(x)
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        if self.is(a, 0.0) {
            return b;
        }
        if self.is(b, 0.0) {
            return a;
        }
        if a == b {
            let two = self.constant(2.0);
            return self.mul(two, a);
        }
        if let Some([c]) = self.operands_of(b, Neg) {
            return self.sub(a, c);
        }
        if let Some([c]) = self.operands_of(a, Neg) {
            return self.sub(b, c);
        }
        self.apply_exactly(Add, vec![a, b])
    }

    fn sub(&mut self, a: Value, b: Value) -> Value {
        if self.is(b, 0.0) {
            return a;
        }
        if self.is(a, 0.0) {
            return self.neg(b);
        }
        if a == b {
            return self.constant(0.0);
        }
        if let Some([c]) = self.operands_of(b, Neg) {
            return self.add(a, c);
        }
        self.apply_exactly(Sub, vec![a, b])
    }

    fn neg(&mut self, a: Value) -> Value {
        if let Some(x) = self.as_constant(a) {
            return self.constant(-x);
        }
        if let Some([b]) = self.operands_of(a, Neg) {
            return b;
        }
        if let Some([b, c]) = self.operands_of(a, Sub) {
            return self.sub(c, b);
        }
        if self.stage(a) == Stage::Pair
            && let Some([b, c]) = self.operands_of(a, Mul)
        {
            // A slower factor takes the sign; within a stage it stays outside.
            for (slow, fast) in [(b, c), (c, b)] {
                if self.stage(slow) < self.stage(fast) {
                    let slow = self.neg(slow);
                    return self.mul(slow, fast);
                }
            }
        }
        self.apply_exactly(Neg, vec![a])
    }

    fn mul(&mut self, a: Value, b: Value) -> Value {
        for (x, y) in [(a, b), (b, a)] {
            if self.is(x, 0.0) {
                return self.constant(0.0);
            }
            if self.is(x, 1.0) {
                return y;
            }
            if self.is(x, -1.0) {
                return self.neg(y);
            }
        }
        if self.stage(a).join(self.stage(b)) != Stage::Pair {
            return self.multiply_within_stage(a, b);
        }
        let mut factors = Factors::default();
        self.collect(a, &mut factors);
        self.collect(b, &mut factors);
        self.product(factors)
    }

    /// A product that is no matter of a pair: constants and signs are gathered, the rest stands as written.
    fn multiply_within_stage(&mut self, a: Value, b: Value) -> Value {
        for (x, y) in [(a, b), (b, a)] {
            if let Some([z]) = self.operands_of(x, Neg) {
                let product = self.mul(z, y);
                return self.neg(product);
            }
            if let (Some(c), Some([d, z])) = (self.as_constant(x), self.operands_of(y, Mul)) {
                for (d, z) in [(d, z), (z, d)] {
                    if let Some(d) = self.as_constant(d) {
                        let product = self.constant(c * d);
                        return self.mul(product, z);
                    }
                }
            }
        }
        self.apply_exactly(Mul, vec![a, b])
    }

    fn collect(&mut self, value: Value, factors: &mut Factors) {
        let slot = match self.stage(value) {
            Stage::Constant | Stage::Params => PARAMS,
            Stage::I => I,
            Stage::J => J,
            Stage::Pair => PAIR,
        };
        if slot == PAIR {
            if let Some([z]) = self.operands_of(value, Neg) {
                let minus = self.constant(-1.0);
                self.collect(minus, factors);
                return self.collect(z, factors);
            }
            if let Some([b, c]) = self.operands_of(value, Mul)
                && (self.stage(b) != Stage::Pair || self.stage(c) != Stage::Pair)
            {
                self.collect(b, factors);
                return self.collect(c, factors);
            }
        }
        factors[slot] = Some(match factors[slot] {
            None => value,
            Some(other) if slot == PAIR => self.multiply_pairs(other, value),
            Some(other) => self.mul(other, value),
        });
    }

    /// A product of two values of a pair; two exponentials become one.
    fn multiply_pairs(&mut self, a: Value, b: Value) -> Value {
        if let (Some(x), Some(y)) = (self.binary_logarithm(a), self.binary_logarithm(b)) {
            let sum = self.add(x, y);
            return self.apply_exactly(Exp2, vec![sum]);
        }
        self.apply_exactly(Mul, vec![a, b])
    }

    /// The exponent, if the value is an exponential.
    fn binary_logarithm(&mut self, value: Value) -> Option<Value> {
        if let Some([x]) = self.operands_of(value, Exp2) {
            return Some(x);
        }
        let [x] = self.operands_of(value, Exp)?;
        let log2e = self.constant(std::f64::consts::LOG2_E);
        Some(self.mul(log2e, x))
    }

    fn product(&mut self, mut factors: Factors) -> Value {
        if let Some(scale) = factors[PARAMS] {
            if let Some(slot) = [I, J].into_iter().find(|&slot| factors[slot].is_some()) {
                // One multiplication per point costs nothing beside one per pair.
                factors[slot] = factors[slot].map(|factor| self.mul(scale, factor));
                factors[PARAMS] = None;
            } else if let (true, Some(pair)) = (self.is(scale, -1.0), factors[PAIR]) {
                return self.apply_exactly(Neg, vec![pair]);
            } else if self.is(scale, 1.0) {
                factors[PARAMS] = None;
            }
        }
        let mut product = None;
        for factor in [PAIR, J, I, PARAMS]
            .into_iter()
            .filter_map(|slot| factors[slot])
        {
            product = Some(match product {
                None => factor,
                Some(rest) => self.apply_exactly(Mul, vec![factor, rest]),
            });
        }
        product.unwrap_or_else(|| self.constant(1.0))
    }

    fn div(&mut self, a: Value, b: Value) -> Value {
        if self.is(b, 1.0) || self.is(a, 0.0) {
            return a;
        }
        if let Some([c]) = self.operands_of(a, Neg) {
            let quotient = self.div(c, b);
            return self.neg(quotient);
        }
        let slow_divisor = self.stage(a) == Stage::Pair && self.stage(b) < Stage::Pair;
        if self.hoists_divisors && slow_divisor {
            let inverse = self.apply(Recip, &[b]);
            return self.mul(inverse, a);
        }
        if self.is(a, 1.0) {
            return self.apply_exactly(Recip, vec![b]);
        }
        self.apply_exactly(Div, vec![a, b])
    }

    /// e^a, as 2^(a log2 e) where a slower factor of `a` takes the constant: one multiplication less in the
    /// range reduction, and the same number of roundings. What has no such factor would be rounded once more.
    fn exp(&mut self, a: Value) -> Value {
        if self.stage(a) == Stage::Pair {
            let log2e = self.constant(std::f64::consts::LOG2_E);
            if let Some([b, c]) = self.operands_of(a, Mul)
                && (self.stage(b) < Stage::Pair || self.stage(c) < Stage::Pair)
            {
                let scaled = self.mul(log2e, a);
                return self.apply_exactly(Exp2, vec![scaled]);
            }
        }
        self.apply_exactly(Exp, vec![a])
    }
}
