//! What a formula is made of.

use keops_compiler::ast::{Expr, ExprKind};
use keops_compiler::differential;

use crate::reference;

/// The order of the derivatives that a formula takes.
pub(crate) fn order(formula: &Expr) -> usize {
    match &formula.kind {
        ExprKind::Call { name, args, .. } => {
            let own = reference::order(name);
            let orders = args
                .iter()
                .enumerate()
                .map(|(n, arg)| order(arg) + if n == 0 { own } else { 0 });
            orders.max().unwrap_or(0)
        }
        ExprKind::List(items) => items.iter().map(order).max().unwrap_or(0),
        ExprKind::Neg(inner) => order(inner),
        ExprKind::Binary { left, right, .. } => order(left).max(order(right)),
        _ => 0,
    }
}

pub(crate) fn called(formula: &Expr) -> Option<&str> {
    match &formula.kind {
        ExprKind::Call { name, .. } => Some(name),
        _ => None,
    }
}

pub(crate) fn is_construct(formula: &Expr) -> bool {
    called(formula).is_some_and(|name| differential::find(name).is_some())
}

/// A formula and all formulas in it.
pub(crate) fn parts(formula: &Expr) -> Vec<&Expr> {
    let mut parts = vec![formula];
    match &formula.kind {
        ExprKind::Neg(inner) => parts.extend(self::parts(inner)),
        ExprKind::Binary { left, right, .. } => {
            parts.extend(self::parts(left));
            parts.extend(self::parts(right));
        }
        ExprKind::Call { args, .. } | ExprKind::List(args) => {
            parts.extend(args.iter().flat_map(self::parts));
        }
        _ => {}
    }
    parts
}
