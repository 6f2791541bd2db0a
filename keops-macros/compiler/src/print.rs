//! Syntax trees back to text.

use std::fmt;

use crate::ast::{BinaryOp, Expr, ExprKind, Precedence};

/// The formula, with no more parentheses than it needs: parsing it gives the same tree, up to spans.
///
/// The forms that only closures have are shown as `{ let r = value; body }` and `$0`, which formulas do not accept.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number {
                integer: Some(integer),
                ..
            } => write!(f, "{integer}"),
            // The shortest text that reads back as the same double, with a point or an exponent.
            ExprKind::Number {
                value,
                integer: None,
            } => write!(f, "{value:?}"),
            ExprKind::Name(name) => f.write_str(name),
            ExprKind::Neg(body) => {
                f.write_str("-")?;
                write_operand(f, body, Precedence::Negation)
            }
            ExprKind::Binary { op, .. } if op.is_sum() => {
                let (first, others) = self.terms();
                let (left_level, right_level) = operand_levels(*op);
                write_operand(f, first, left_level)?;
                others.iter().try_for_each(|term| {
                    write!(f, " {} ", term.op.symbol())?;
                    write_operand(f, term.expr, right_level)
                })
            }
            ExprKind::Binary {
                op, left, right, ..
            } => {
                let (left_level, right_level) = operand_levels(*op);
                write_operand(f, left, left_level)?;
                match op.precedence() {
                    Precedence::Product | Precedence::Power => f.write_str(op.symbol())?,
                    _ => write!(f, " {} ", op.symbol())?,
                }
                write_operand(f, right, right_level)
            }
            ExprKind::Call { name, args, .. } => {
                write!(f, "{name}(")?;
                write_list(f, args)?;
                f.write_str(")")
            }
            ExprKind::List(items) => {
                f.write_str("[")?;
                write_list(f, items)?;
                f.write_str("]")
            }
            ExprKind::Let { name, value, body } => write!(f, "{{ let {name} = {value}; {body} }}"),
            ExprKind::Capture(index) => write!(f, "${index}"),
        }
    }
}

/// The loosest levels that may stand on the left and on the right of `op` without parentheses.
fn operand_levels(op: BinaryOp) -> (Precedence, Precedence) {
    match op.precedence() {
        Precedence::Comparison => (Precedence::Scalprod, Precedence::Scalprod),
        Precedence::Scalprod => (Precedence::Scalprod, Precedence::Sum),
        Precedence::Sum => (Precedence::Sum, Precedence::Product),
        Precedence::Product => (Precedence::Product, Precedence::Negation),
        Precedence::Negation | Precedence::Power | Precedence::Atom => {
            (Precedence::Atom, Precedence::Negation)
        }
    }
}

fn precedence(expr: &Expr) -> Precedence {
    match &expr.kind {
        ExprKind::Neg(_) => Precedence::Negation,
        ExprKind::Binary { op, .. } => op.precedence(),
        ExprKind::Number { .. }
        | ExprKind::Name(_)
        | ExprKind::Call { .. }
        | ExprKind::List(_)
        | ExprKind::Let { .. }
        | ExprKind::Capture(_) => Precedence::Atom,
    }
}

fn write_operand(f: &mut fmt::Formatter<'_>, expr: &Expr, level: Precedence) -> fmt::Result {
    if precedence(expr) < level {
        write!(f, "({expr})")
    } else {
        write!(f, "{expr}")
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
