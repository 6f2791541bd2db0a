//! Derivatives against finite differences, for every operation of the table: a new one is tested without a line here.
//!
//! For each operation the test looks for dimensions and parameters that it accepts, broadcast ones among them, writes
//! `Grad(Op(..), v, e)` and `Grad(Grad(Op(..), v, e), w, u)` for each pair of its arguments, and compares with central
//! differences of the interpreter.

mod common;

use common::compile;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::ops::{self, Op, Param, ParamValues};
use keops_compiler::scalar::{Graph, Inputs, interpret};

/// Dimensions that are tried for arguments.
const DIMS: [usize; 5] = [1, 2, 3, 4, 6];
/// Values that are tried for integer parameters.
const INTEGERS: [i64; 6] = [2, 1, 0, 3, 4, 6];
/// Values that are tried for parameters that are numbers.
const NUMBERS: [f64; 8] = [0.0, 1.5, 2.2, 0.3, 1.0, 3.0, 4.75, 0.5];
/// Values that are tried for lists.
const LISTS: [&[i64]; 5] = [&[2, 3], &[3, 2], &[2], &[1], &[0]];
/// The number of forms of an operation that are tested.
const FORMS: usize = 8;
/// The number of points at which each formula is tried.
const POINTS: usize = 4;
/// Half the distance of the outer points of a difference; no multiple of what operations may round to.
const STEP: f64 = 1.234_567_89e-3;

/// All sequences with an element of each set, the last one varying fastest.
fn product<T: Clone>(sets: &[Vec<T>]) -> Vec<Vec<T>> {
    sets.iter().fold(vec![Vec::new()], |sequences, set| {
        let longer = sequences.iter().flat_map(|sequence| {
            set.iter().map(|element| {
                let mut sequence = sequence.clone();
                sequence.push(element.clone());
                sequence
            })
        });
        longer.collect()
    })
}

/// Dimensions of the arguments, and parameters, that an operation accepts; at most [`FORMS`] of them, spread over all.
fn forms(op: &Op) -> Vec<(Vec<usize>, Vec<Param>)> {
    let dims = product(&vec![DIMS.to_vec(); op.args.len()]);
    let values = op
        .params
        .iter()
        .filter(|kind| !kind.optional)
        .map(|kind| match kind.values {
            ParamValues::Integers => LISTS.map(|list| Param::List(list.to_vec())).to_vec(),
            ParamValues::Integer => INTEGERS.map(Param::Int).to_vec(),
            ParamValues::Number => NUMBERS.map(Param::of_number).to_vec(),
        });
    let params = product(&values.collect::<Vec<_>>());
    let mut accepted = Vec::new();
    for dims in &dims {
        for params in &params {
            if (op.dim)(dims, params).is_ok_and(|dim| (1..=36).contains(&dim)) {
                accepted.push((dims.clone(), params.clone()));
            }
        }
    }
    let count = accepted.len();
    let mut forms: Vec<_> = (0..FORMS.min(count))
        .map(|n| accepted[n * count / FORMS.min(count)].clone())
        .collect();
    forms.extend(accepted.pop());
    forms
}

fn written(param: &Param) -> String {
    match param {
        Param::Int(n) => n.to_string(),
        Param::List(list) => format!("{list:?}"),
        Param::Number(_) => format!("{:?}", param.number()),
        Param::Row(_) => unreachable!("no parameter of the language"),
    }
}

/// Variables named `a`, `b`, ... of these dimensions, of i, j and parameters in turn.
fn aliases(dims: &[usize]) -> Vec<Alias> {
    let categories = Category::ALL.into_iter().cycle();
    let names = ('a'..='z').map(String::from);
    let variables = names.zip(categories).zip(dims);
    let alias = |((name, category), &dim)| Alias {
        name,
        category,
        dim,
    };
    variables.map(alias).collect()
}

/// A fixed sequence of numbers in (0.2, 0.8), where nearly all operations are smooth.
struct Random(u64);

impl Random {
    fn vector(&mut self, length: usize) -> Vec<f64> {
        let step = |_| {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            0.2 + 0.6 * ((self.0 >> 11) as f64 / (1u64 << 53) as f64)
        };
        (0..length).map(step).collect()
    }

    fn values(&mut self, aliases: &[Alias]) -> Values {
        let value = |alias: &Alias| self.vector(alias.dim);
        aliases.iter().map(value).collect()
    }
}

/// Values of all variables.
type Values = Vec<Vec<f64>>;

fn evaluate(graph: &Graph, aliases: &[Alias], values: &Values) -> Vec<f64> {
    let mut inputs = Inputs::default();
    for (alias, values) in aliases.iter().zip(values) {
        let to = match alias.category {
            Category::I => &mut inputs.i,
            Category::J => &mut inputs.j,
            Category::Param => &mut inputs.params,
        };
        to.extend(values);
    }
    interpret(graph, &inputs)
}

/// What has been compared.
#[derive(Default)]
struct Tally {
    compared: usize,
    skipped: usize,
}

/// Compares `Grad(formula, v, e)` with differences of `formula`, for the variable `v` at `position`.
fn check(text: &str, aliases: &[Alias], position: usize, tally: &mut Tally) {
    let mut extended = aliases.to_vec();
    let formula = compile(text, aliases);
    let e = Alias {
        name: format!("e{}", aliases.len()),
        category: Category::Param,
        dim: formula.dim(),
    };
    let variable = &aliases[position];
    let gradient = format!("Grad({text}, {}, {})", variable.name, e.name);
    extended.push(e);
    let (value, slope) = (formula.graph(), compile(&gradient, &extended).graph());
    let mut random = Random(position as u64 + 1);
    for _ in 0..POINTS {
        let values = random.values(&extended);
        let ours = evaluate(&slope, &extended, &values);
        let direction = &values[aliases.len()];
        // e^T formula, with component k of the variable moved.
        let moved = |k: usize, by: f64| -> f64 {
            let mut values = values.clone();
            values[position][k] += by;
            let components = evaluate(&value, aliases, &values);
            components.iter().zip(direction).map(|(f, e)| f * e).sum()
        };
        for (k, &ours) in ours.iter().enumerate() {
            // Of fourth order; three steps disagree where there is a kink or a jump.
            let difference = |h: f64| {
                (8.0 * (moved(k, h / 2.0) - moved(k, -h / 2.0)) - (moved(k, h) - moved(k, -h)))
                    / (6.0 * h)
            };
            let [coarse, middle, fine] = [1.0, 0.618, 0.377].map(|part| difference(part * STEP));
            let scale = 1.0 + fine.abs();
            let smooth = (coarse - fine).abs().max((middle - fine).abs()) < 1e-6 * scale;
            if !smooth {
                tally.skipped += 1;
                continue;
            }
            tally.compared += 1;
            assert!(
                (ours - fine).abs() < 1e-6 * scale,
                "{gradient}: component {k} is {ours}, the difference quotient {fine}, at {values:?}"
            );
        }
    }
}

/// Compares `Divergence(formula, v)` with the sum of the diagonal of the Jacobian, one `Grad` for each component.
fn check_divergence(text: &str, aliases: &[Alias], position: usize) -> usize {
    let variable = &aliases[position];
    if compile(text, aliases).dim() != variable.dim {
        return 0;
    }
    let name = &variable.name;
    let entry = |k: usize| {
        let unit = format!("ElemT(IntCst(1),{},{k})", variable.dim);
        format!("Elem(Grad({text},{name},{unit}),{k})")
    };
    let entries: Vec<String> = (0..variable.dim).map(entry).collect();
    let divergence = format!("Divergence({text},{name})");
    let ours = compile(&divergence, aliases).graph();
    let expected = compile(&entries.join("+"), aliases).graph();
    let mut random = Random(position as u64 + 1);
    for _ in 0..POINTS {
        let values = random.values(aliases);
        let [ours, expected] = [&ours, &expected].map(|graph| evaluate(graph, aliases, &values)[0]);
        assert!(
            (ours - expected).abs() <= 1e-10 * (1.0 + expected.abs())
                || ours.is_nan() && expected.is_nan(),
            "{divergence} is {ours}, the sum {expected}, at {values:?}"
        );
    }
    1
}

#[test]
fn every_operation_has_the_derivative_of_its_values() {
    for op in ops::all().filter(|op| !op.args.is_empty()) {
        let forms = forms(op);
        assert!(
            !forms.is_empty(),
            "{}: no dimensions were found that it accepts",
            op.name
        );
        let mut tally = Tally::default();
        let mut divergences = 0;
        for (dims, params) in forms {
            let aliases = aliases(&dims);
            let names = aliases.iter().map(|alias| alias.name.clone());
            let words: Vec<String> = names.chain(params.iter().map(written)).collect();
            let text = format!("{}({})", op.name, words.join(","));
            let dim = compile(&text, &aliases).dim();
            for first in 0..aliases.len() {
                check(&text, &aliases, first, &mut tally);
                divergences += check_divergence(&text, &aliases, first);
                let mut aliases = aliases.clone();
                let category = Category::J;
                aliases.push(Alias {
                    name: "e".to_owned(),
                    category,
                    dim,
                });
                let gradient = format!("Grad({text},{},e)", aliases[first].name);
                for second in 0..aliases.len() {
                    check(&gradient, &aliases, second, &mut tally);
                    divergences += check_divergence(&gradient, &aliases, second);
                }
            }
        }
        let Tally { compared, skipped } = tally;
        println!(
            "{}: {compared} compared, {skipped} skipped, {divergences} divergences",
            op.name
        );
        assert!(
            compared > skipped,
            "{}: {compared} compared, {skipped} skipped",
            op.name
        );
    }
}
