//! Random formulas: the compiled formula against the same formula evaluated one operation at a time.
//!
//! The plain evaluation compiles each operation alone, over variables that stand for its arguments, so that no
//! simplification, no derivative rule, no sharing and no splitting can hide in it. `KEOPS_FUZZ_CASES=1000000` runs longer than
//! the default, `KEOPS_FUZZ_SEED` chooses other formulas.

use std::collections::HashMap;

use keops_compiler::Formula;
use keops_compiler::alias::{Alias, Category};
use keops_compiler::ast::{Expr, ExprKind, Span};
use keops_compiler::ops::{self, Op, ParamValues};
use keops_compiler::scalar::{Graph, Inputs, interpret};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

const VARIABLES: &[(&str, Category, usize)] = &[
    ("x", Category::I, 3),
    ("y", Category::J, 3),
    ("s", Category::I, 1),
    ("t", Category::J, 1),
    ("g", Category::Param, 1),
    ("w", Category::Param, 3),
    ("z", Category::I, 4),
];

fn aliases() -> Vec<Alias> {
    let alias = |&(name, category, dim): &(&str, Category, usize)| Alias {
        name: name.to_owned(),
        category,
        dim,
    };
    VARIABLES.iter().map(alias).collect()
}

fn expr(kind: ExprKind) -> Expr {
    Expr::new(kind, Span::new(0, 0))
}

fn integer(n: i64) -> Expr {
    let number = |n: i64| {
        expr(ExprKind::Number {
            value: n as f64,
            integer: Some(n),
        })
    };
    if n < 0 {
        expr(ExprKind::Neg(Box::new(number(-n))))
    } else {
        number(n)
    }
}

/// A random formula; most attempts at ill-typed ones are thrown away by the caller.
fn formula(random: &mut Random, height: usize) -> Expr {
    if height == 0 || random.below(6) == 0 {
        return match random.below(10) {
            0 => integer(random.below(4) as i64),
            1 => {
                let value = (random.unit() * 16.0).round() / 8.0;
                expr(ExprKind::Number {
                    value,
                    integer: None,
                })
            }
            _ => expr(ExprKind::Name(
                VARIABLES[random.below(VARIABLES.len())].0.to_owned(),
            )),
        };
    }
    let all: Vec<&Op> = ops::all().filter(|op| !op.args.is_empty()).collect();
    let op = all[random.below(all.len())];
    let mut args: Vec<Expr> = op
        .args
        .iter()
        .map(|_| formula(random, height - 1))
        .collect();
    for param in op.params {
        args.push(match param.values {
            ParamValues::Integers => {
                let items = (0..random.below(3)).map(|_| integer(random.below(4) as i64));
                expr(ExprKind::List(items.collect()))
            }
            ParamValues::Integer => integer(random.below(7) as i64 - 1),
            ParamValues::Number => expr(ExprKind::Number {
                value: random.below(13) as f64 / 4.0,
                integer: None,
            }),
        });
    }
    let (name, name_span) = (op.name.to_owned(), Span::new(0, 0));
    expr(ExprKind::Call {
        name,
        name_span,
        args,
    })
}

/// Evaluates formulas one operation at a time.
#[derive(Default)]
struct Plain {
    known: HashMap<String, Graph>,
    /// Whether NaN or an infinity came up, which a simplification may avoid.
    overflowed: bool,
}

/// Operations that jump: rounding may decide on which side of a jump an argument lies.
const JUMPING: &[&str] = &[
    "Floor", "Mod", "Round", "Equal", "Less", "Sign", "Step", "IfElse", "Arg", "OneHot", "BSpline",
];

impl Plain {
    fn value(&mut self, formula: &Expr, inputs: &HashMap<&str, Vec<f64>>) -> Vec<f64> {
        let mut value = self.signed_value(formula, inputs);
        for x in &mut value {
            // The sign of a zero has no meaning in formulas.
            *x += 0.0;
            self.overflowed |= !x.is_finite();
        }
        value
    }

    fn signed_value(&mut self, formula: &Expr, inputs: &HashMap<&str, Vec<f64>>) -> Vec<f64> {
        match &formula.kind {
            ExprKind::Number { value, .. } => vec![*value],
            ExprKind::Neg(inner) => self.value(inner, inputs).iter().map(|x| -x).collect(),
            ExprKind::Name(name) => inputs[name.as_str()].clone(),
            ExprKind::Call { name, args, .. } => {
                let op = ops::find(name).expect("an operation of the table");
                let (operands, params) = args.split_at(op.args.len());
                let values: Vec<Vec<f64>> =
                    operands.iter().map(|arg| self.value(arg, inputs)).collect();
                let dims: Vec<usize> = values.iter().map(Vec::len).collect();
                let key = format!("{name} {dims:?} {params:?}");
                let graph = self
                    .known
                    .entry(key)
                    .or_insert_with(|| alone(name, &dims, params));
                interpret(
                    graph,
                    &Inputs {
                        i: values.concat(),
                        ..Inputs::default()
                    },
                )
            }
            _ => unreachable!("no other form is generated"),
        }
    }
}

/// An operation on variables.
fn alone(name: &str, dims: &[usize], params: &[Expr]) -> Graph {
    let alias = |(n, &dim): (usize, &usize)| Alias {
        name: format!("a{n}"),
        category: Category::I,
        dim,
    };
    let aliases: Vec<Alias> = dims.iter().enumerate().map(alias).collect();
    let operands = aliases
        .iter()
        .map(|alias| expr(ExprKind::Name(alias.name.clone())));
    let args = operands.chain(params.iter().cloned()).collect();
    let (name, name_span) = (name.to_owned(), Span::new(0, 0));
    let call = expr(ExprKind::Call {
        name,
        name_span,
        args,
    });
    match Formula::new(&call, &aliases, &[]) {
        Ok(formula) => formula.graph(),
        Err(error) => panic!("{call} alone: {error}"),
    }
}

/// Whether both are equal up to rounding.
fn agree(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-7 * (a.abs() + b.abs()) + 1e-9
}

#[test]
fn random_formulas() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let cases = number("KEOPS_FUZZ_CASES", 3000);
    let mut random = Random(number("KEOPS_FUZZ_SEED", 1));
    let mut plain = Plain::default();
    let (mut compared, mut rejected, mut disagreements) = (0u64, 0u64, Vec::new());
    while compared < cases {
        let height = 1 + random.below(4);
        let tree = formula(&mut random, height);
        let compiled = match Formula::new(&tree, &aliases(), &[]) {
            Ok(compiled) if compiled.dim() <= 64 => compiled,
            _ => {
                rejected += 1;
                continue;
            }
        };
        compared += 1;
        let graph = compiled.graph();
        // The stages must come out without panic too; what they compute is another test's matter.
        let program = compiled.program();
        assert_eq!(program.dim, compiled.dim());
        let mut disagreed = 0;
        for _ in 0..3 {
            let mut inputs = Inputs::default();
            let mut named = HashMap::new();
            for &(name, category, dim) in VARIABLES {
                let values: Vec<f64> = (0..dim).map(|_| 0.2 + 0.7 * random.unit()).collect();
                match category {
                    Category::I => inputs.i.extend(&values),
                    Category::J => inputs.j.extend(&values),
                    Category::Param => inputs.params.extend(&values),
                }
                named.insert(name, values);
            }
            let (ours, theirs) = (interpret(&graph, &inputs), plain.value(&tree, &named));
            assert_eq!(ours.len(), theirs.len(), "{tree}");
            let equal = ours.iter().zip(&theirs).all(|(&a, &b)| agree(a, b));
            disagreed += usize::from(!equal && !std::mem::take(&mut plain.overflowed));
        }
        // Ill-conditioned points are met now and then, but not three times in a row.
        let text = tree.to_string();
        if disagreed == 3 && !JUMPING.iter().any(|name| text.contains(name)) {
            disagreements.push(text);
        }
    }
    println!("{compared} formulas compared, {rejected} ill-typed ones rejected");
    assert!(
        disagreements.is_empty(),
        "{} disagree: {disagreements:#?}",
        disagreements.len()
    );
}
