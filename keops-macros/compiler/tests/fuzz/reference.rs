//! The value of a formula by the definitions of its operations, with derivatives from numbers that carry them.

use std::collections::HashMap;

use keops_compiler::ast::{BinaryOp, Expr, ExprKind};
use keops_compiler::ops::{self, ParamValues};

use crate::number::Number;
use crate::operations::{self, Parameter};

/// The values of variables.
pub(crate) type Values = HashMap<String, Vec<f64>>;

/// The components of a formula.
pub(crate) fn evaluate(formula: &Expr, values: &Values) -> Vec<f64> {
    let number = |(name, value): (&String, &Vec<f64>)| {
        let value = value.iter().copied().map(Number::from).collect();
        (name.clone(), value)
    };
    let mut reference = Reference {
        variables: values.iter().map(number).collect(),
        order: 0,
    };
    let value = reference.value(formula);
    // The sign of a zero has no meaning in formulas.
    value.into_iter().map(|x| x.real() + 0.0).collect()
}

/// Whether the reference knows a construct.
pub(crate) fn knows(construct: &str) -> bool {
    let known = [
        "Grad",
        "Diff",
        "GradMatrix",
        "Divergence",
        "Laplacian",
        "TraceOperator",
        "AdjointOperator",
        "SumLinOperator",
        "Factorize",
        "AutoFactorize",
    ];
    known.contains(&construct)
}

/// How many differentiations of its first argument a construct takes.
pub(crate) fn order(construct: &str) -> usize {
    match construct {
        "Laplacian" => 2,
        "Grad" | "Diff" | "GradMatrix" | "Divergence" => 1,
        // What is linear is its own derivative.
        _ => 0,
    }
}

type Vector = Vec<Number>;

struct Reference {
    variables: HashMap<String, Vector>,
    /// How many differentiations are under way.
    order: usize,
}

impl Reference {
    fn value(&mut self, formula: &Expr) -> Vector {
        match &formula.kind {
            ExprKind::Number { value, .. } => vec![Number::from(*value)],
            ExprKind::Neg(inner) => self.value(inner).into_iter().map(|x| -x).collect(),
            ExprKind::Name(name) => self.variables[name].clone(),
            ExprKind::Binary {
                op, left, right, ..
            } => self.binary(*op, left, right),
            ExprKind::Call { name, args, .. } => match ops::find(name) {
                Some(op) => {
                    let (args, params) = args.split_at(op.args.len().min(args.len()));
                    let args: Vec<Vector> = args.iter().map(|arg| self.value(arg)).collect();
                    let kinds = op.params.iter().map(|param| param.values);
                    let params: Vec<Parameter> = params.iter().zip(kinds).map(parameter).collect();
                    operation(name)(&args, &params)
                }
                None => self.construct(name, args),
            },
            other => unreachable!("{other:?} is not generated"),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Vector {
        let (name, swapped) = match op {
            BinaryOp::Add => ("Add", false),
            BinaryOp::Sub => ("Subtract", false),
            BinaryOp::Mul => ("Mult", false),
            BinaryOp::Div => ("Divide", false),
            BinaryOp::Scalprod => ("Scalprod", false),
            BinaryOp::Lt => ("LessThan", false),
            BinaryOp::Le => ("LessOrEqual", false),
            BinaryOp::Gt => ("LessThan", true),
            BinaryOp::Ge => ("LessOrEqual", true),
            BinaryOp::Eq => ("Equal", false),
            BinaryOp::Ne => ("NotEqual", false),
            BinaryOp::Pow => match integer(right) {
                Some(n) => {
                    let left = self.value(left);
                    return operation("Pow")(&[left], &[Parameter::Integer(n)]);
                }
                None => ("Powf", false),
            },
        };
        let mut args = [self.value(left), self.value(right)];
        if swapped {
            args.reverse();
        }
        operation(name)(&args, &[])
    }

    fn construct(&mut self, name: &str, args: &[Expr]) -> Vector {
        let one = |dim: usize| vec![Number::from(1.0); dim];
        match name {
            "Grad" => {
                let rows = self.transposed_jacobian(&args[0], &args[1]);
                let e = args.get(2).map_or_else(|| one(1), |e| self.value(e));
                rows.iter().map(|row| dot(row, &e)).collect()
            }
            "Diff" => {
                let (variables, directions) = (items(&args[1]), items(&args[2]));
                let parts = variables.iter().zip(directions).map(|(v, u)| {
                    let u = self.value(u);
                    self.derivative(&args[0], v, &u)
                });
                let parts: Vec<Vector> = parts.collect();
                parts
                    .into_iter()
                    .reduce(|f, g| f.into_iter().zip(g).map(|(f, g)| f + g).collect())
                    .unwrap_or_default()
            }
            "GradMatrix" => transposed(&self.transposed_jacobian(&args[0], &args[1])).concat(),
            "Divergence" => {
                let rows = self.transposed_jacobian(&args[0], &args[1]);
                vec![rows.iter().enumerate().map(|(k, row)| row[k]).sum()]
            }
            "Laplacian" => {
                let v = variable(&args[1]);
                let units = units(self.variables[v].len());
                let terms = units.iter().map(|unit| {
                    self.differentiated(v, unit, |inner| inner.derivative(&args[0], &args[1], unit))
                        [0]
                });
                vec![terms.collect::<Vector>().into_iter().sum()]
            }
            "TraceOperator" => {
                let columns = self.images_of_units(&args[0], &args[1]);
                vec![
                    columns
                        .iter()
                        .enumerate()
                        .map(|(k, column)| column[k])
                        .sum(),
                ]
            }
            "AdjointOperator" => {
                let columns = self.images_of_units(&args[0], &args[1]);
                let u = self.value(&args[2]);
                columns.iter().map(|column| dot(column, &u)).collect()
            }
            "SumLinOperator" => {
                let dim = self.variables[variable(&args[1])].len();
                let right = args.get(3).map_or_else(|| one(dim), |wr| self.value(wr));
                let image = self.image(&args[0], &args[1], right);
                let left = args
                    .get(2)
                    .map_or_else(|| one(image.len()), |wl| self.value(wl));
                vec![dot(&left, &image)]
            }
            "Factorize" | "AutoFactorize" => self.value(&args[0]),
            _ => panic!("the reference does not know {name}"),
        }
    }

    /// What `evaluate` gives differentiated by `variable` in a direction.
    fn differentiated(
        &mut self,
        variable: &str,
        direction: &[Number],
        evaluate: impl FnOnce(&mut Self) -> Vector,
    ) -> Vector {
        let order = self.order;
        let at = self.variables[variable].clone();
        let moved = at
            .iter()
            .zip(direction)
            .map(|(x, &u)| x.with_slope(order, u))
            .collect();
        self.variables.insert(variable.to_owned(), moved);
        self.order += 1;
        let value = evaluate(self);
        self.order -= 1;
        self.variables.insert(variable.to_owned(), at);
        value.into_iter().map(|x| x.slope(order)).collect()
    }

    fn derivative(&mut self, formula: &Expr, by: &Expr, direction: &[Number]) -> Vector {
        self.differentiated(variable(by), direction, |inner| inner.value(formula))
    }

    /// The derivatives of a formula by each component of a variable.
    fn transposed_jacobian(&mut self, formula: &Expr, by: &Expr) -> Vec<Vector> {
        let units = units(self.variables[variable(by)].len());
        units
            .iter()
            .map(|unit| self.derivative(formula, by, unit))
            .collect()
    }

    /// The value of a formula with another value of a variable.
    fn image(&mut self, formula: &Expr, of: &Expr, value: Vector) -> Vector {
        let name = variable(of);
        let at = self.variables.insert(name.to_owned(), value);
        let image = self.value(formula);
        self.variables
            .insert(name.to_owned(), at.expect("a variable"));
        image
    }

    /// The columns of a linear formula.
    fn images_of_units(&mut self, formula: &Expr, of: &Expr) -> Vec<Vector> {
        let units = units(self.variables[variable(of)].len());
        let images = units.into_iter().map(|unit| {
            // Where columns cancel, others may have rounded their multiples before.
            let unit = unit.into_iter().map(Number::inexact).collect();
            self.image(formula, of, unit)
        });
        images.collect()
    }
}

fn operation(name: &str) -> operations::Operation {
    operations::find(name).unwrap_or_else(|| panic!("the reference does not know {name}"))
}

fn dot(f: &[Number], g: &[Number]) -> Number {
    assert_eq!(f.len(), g.len());
    f.iter().zip(g).map(|(&f, &g)| f * g).sum()
}

fn transposed(rows: &[Vector]) -> Vec<Vector> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width)
        .map(|k| rows.iter().map(|row| row[k]).collect())
        .collect()
}

fn units(dim: usize) -> Vec<Vector> {
    let unit = |n: usize| {
        (0..dim)
            .map(|k| Number::from(if k == n { 1.0 } else { 0.0 }))
            .collect()
    };
    (0..dim).map(unit).collect()
}

fn items(expr: &Expr) -> &[Expr] {
    match &expr.kind {
        ExprKind::List(items) => items,
        _ => std::slice::from_ref(expr),
    }
}

fn variable(expr: &Expr) -> &str {
    match &expr.kind {
        ExprKind::Name(name) => name,
        other => panic!("{other:?} is no variable"),
    }
}

fn number(expr: &Expr) -> f64 {
    match &expr.kind {
        ExprKind::Number { value, .. } => *value,
        ExprKind::Neg(inner) => -number(inner),
        other => panic!("{other:?} is no number"),
    }
}

/// The integer that was written as one.
fn integer(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Number { integer, .. } => *integer,
        ExprKind::Neg(inner) => integer(inner).map(|n| -n),
        _ => None,
    }
}

fn parameter((expr, values): (&Expr, ParamValues)) -> Parameter {
    match values {
        ParamValues::Integer => Parameter::Integer(number(expr) as i64),
        ParamValues::Number => Parameter::Number(number(expr)),
        ParamValues::Integers => Parameter::List(
            items(expr)
                .iter()
                .map(|item| number(item) as usize)
                .collect(),
        ),
    }
}
