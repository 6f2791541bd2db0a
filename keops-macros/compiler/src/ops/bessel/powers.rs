//! Powers of s times sums of two words.

use super::super::arithmetic::integer_power;
use super::super::helpers::horner;
use super::super::two_words::TwoWords;
use crate::lower::Component;
use crate::scalar::{Instruction, Value};
use crate::special::twofold::Twofold;

/// Powers of exponents below this are near 1.
pub(super) const NEAR_ONE: f64 = 0.16;

/// What the smaller type can hold of a number, and the rest.
pub(super) fn parts(x: f64) -> [f64; 2] {
    let held = f64::from(x as f32);
    [held, x - held]
}

/// The sum of one or two words times s^exponent, for s >= 0: by products and quotients where twice the exponent is a small integer.
pub(super) fn times_power(
    c: &mut Component<'_, '_>,
    words: &[Value],
    s: Value,
    exponent: Twofold,
) -> Value {
    use Instruction::*;
    if let Some(power) = simple_power(c, s, exponent.rounded()) {
        if exponent.rounded() < 0.0 {
            let value = sum(c, words);
            return c.apply(Div, &[value, power]);
        }
        return scaled(c, &[power], words);
    }
    let power = power(c, s, exponent);
    let powered = scaled(c, &power, words);
    let exponent = exponent.rounded();
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
    let small = c.constant((-0.5 / exponent.abs()).exp());
    c.apply(SelectLt, &[s, small, powered, near])
}

/// s^|exponent|, if twice the exponent is a small integer.
pub(super) fn simple_power(c: &mut Component<'_, '_>, s: Value, exponent: f64) -> Option<Value> {
    let twice = 2.0 * exponent;
    if twice.fract() != 0.0 || twice.abs() > 7.0 {
        return None;
    }
    let power = integer_power(c, s, exponent.abs() as i64);
    if exponent.fract() == 0.0 {
        return Some(power);
    }
    let root = c.apply(Instruction::Sqrt, &[s]);
    Some(c.apply(Instruction::Mul, &[power, root]))
}

/// s^exponent in two words, the second of which is for what the type cannot hold of the exponent.
pub(super) fn power(c: &mut Component<'_, '_>, s: Value, exponent: Twofold) -> Vec<Value> {
    use Instruction::*;
    let [held, rest] = TwoWords::nearest(c, exponent).words();
    let power = c.apply(Pow, &[s, held]);
    if exponent == Twofold::from(f64::from(exponent.rounded() as f32)) {
        return vec![power];
    }
    // Where the logarithm or the power is infinite, there is none.
    let (zero, infinity) = (c.constant(0.0), c.constant(f64::INFINITY));
    let log = c.apply(Log, &[s]);
    let change = c.apply(Mul, &[rest, log]);
    let change = c.apply(Mul, &[power, change]);
    let change = c.apply(SelectEq, &[power, infinity, zero, change]);
    vec![power, c.apply(SelectEq, &[s, zero, zero, change])]
}

/// The sum of two words and its relative change.
pub(super) fn changed(
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
pub(super) fn sum(c: &mut Component<'_, '_>, words: &[Value]) -> Value {
    match *words {
        [first, second] => c.apply(Instruction::Add, &[first, second]),
        _ => words[0],
    }
}

/// The product of two numbers of one or two words, with one rounding of the product of their first words.
pub(super) fn scaled(c: &mut Component<'_, '_>, factor: &[Value], words: &[Value]) -> Value {
    use Instruction::*;
    let product = c.apply(Mul, &[factor[0], words[0]]);
    let cross = [(factor[0], words.get(1)), (words[0], factor.get(1))];
    let cross = cross.map(|(first, second)| Some(c.apply(Mul, &[first, *second?])));
    let small = match cross {
        [Some(a), Some(b)] => c.apply(Add, &[a, b]),
        [Some(a), None] | [None, Some(a)] => a,
        [None, None] => return product,
    };
    c.apply(Add, &[small, product])
}

/// The sum of the regular series, and of the singular one times s^exponent - 1, for an exponent near 0, in two words: they cancel, and their roundings would be
/// multiplied.
pub(super) fn difference_of_powers(
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
pub(super) fn power_less_one(c: &mut Component<'_, '_>, s: Value, exponent: f64) -> Value {
    // Large instead of infinite, of which parts could cancel. NaN stays.
    let (log, least) = (c.apply(Instruction::Log, &[s]), c.constant(-1e30));
    let log = c.apply(Instruction::Max, &[least, log]);
    let [held, rest] = parts(exponent).map(|part| c.constant(part));
    let product = c.apply(Instruction::Mul, &[held, log]);
    let correction = c.apply(Instruction::Mul, &[rest, log]);
    let product = c.apply(Instruction::Add, &[product, correction]);
    c.apply(Instruction::Expm1, &[product])
}
