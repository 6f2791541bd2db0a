//! What is said about Rust that has no meaning in a formula.

use keops_compiler::{ast::Span, error::Error};
use quote::ToTokens;
use syn::{BinOp, Member, UnOp};

use super::places::{Places, error_at};

/// An error at `tokens`; an empty `help` is none.
pub(super) fn refuse(tokens: impl ToTokens, message: &str, help: &str) -> syn::Error {
    let error = Error::new(Span::default(), message);
    let error = if help.is_empty() {
        error
    } else {
        error.help(help)
    };
    let mut places = Places::default();
    let span = places.add(tokens);
    error_at(places.get(span), &error)
}

/// The error for Rust that has no meaning in a formula.
pub(super) fn refusal(expr: &syn::Expr) -> syn::Error {
    const CHOICE: &str = "a choice is written `c.ifelse(a, b)`: a where c >= 0, b elsewhere";
    const BOTH: &str = "where both conditions hold is written as a product, `(a < b) * (b < c)`";
    const EITHER: &str = "where one of two conditions holds is written `(a < b) + (b < c) > 0`";
    const NOT: &str = "where a condition does not hold is written `1 - (a < b)`";
    const CAPTURE: &str = "to capture a value, bind it with `let` before the closure";
    match expr {
        syn::Expr::If(choice) => refuse(choice.if_token, "a formula has no `if`", CHOICE),
        syn::Expr::Match(choice) => refuse(choice.match_token, "a formula has no `match`", CHOICE),
        syn::Expr::ForLoop(r#loop) => refuse(r#loop.for_token, "a formula has no loops", ""),
        syn::Expr::While(r#loop) => refuse(r#loop.while_token, "a formula has no loops", ""),
        syn::Expr::Loop(r#loop) => refuse(r#loop.loop_token, "a formula has no loops", ""),
        syn::Expr::Return(r#return) => refuse(
            r#return.return_token,
            "a formula has no `return`",
            "the formula is the last expression, without `;`",
        ),
        syn::Expr::Cast(cast) => refuse(cast.as_token, "a formula has no casts", CAPTURE),
        syn::Expr::Macro(call) => refuse(call, "a formula has no macros", CAPTURE),
        syn::Expr::Unary(unary) => match unary.op {
            UnOp::Not(_) => refuse(unary.op, "`!` has no meaning in a formula", NOT),
            _ => refuse(
                unary.op,
                "only what is captured can be dereferenced",
                "a power is written `x.pow(2)`",
            ),
        },
        syn::Expr::Binary(binary) => {
            let op = binary.op.to_token_stream().to_string();
            let help = match binary.op {
                BinOp::And(_) | BinOp::BitAnd(_) => BOTH,
                BinOp::Or(_) => EITHER,
                BinOp::BitXor(_) => "a power is written `x.pow(2)`",
                BinOp::Rem(_) => "the remainder is written `Mod(x, n, d)`",
                _ => "",
            };
            refuse(
                binary.op,
                &format!("`{op}` has no meaning in a formula"),
                help,
            )
        }
        syn::Expr::Field(field) => {
            let member = match &field.member {
                Member::Named(name) => name.to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            };
            let help = match &field.member {
                Member::Named(_) => format!("an operation is called as `.{member}()`"),
                Member::Unnamed(_) => format!("a component is written `x[{member}]`"),
            };
            refuse(
                &field.member,
                "the vectors of a formula have no fields",
                &help,
            )
        }
        syn::Expr::Range(_) | syn::Expr::Repeat(_) => refuse(
            expr,
            "this has no meaning in a formula",
            "a list is written `[2, 3]`",
        ),
        syn::Expr::Closure(closure) => refuse(closure, "a formula has no closures inside", CAPTURE),
        _ => refuse(expr, "this has no meaning in a formula", ""),
    }
}
