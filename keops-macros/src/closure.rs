//! Formulas written as Rust closures: `|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / (2.0 * s * s)).exp()`.
//!
//! The body of a closure becomes the same syntax tree as a formula in text. It is Rust syntax with a meaning of its own:
//! methods and functions are operations of the formula language, numbers are exact decimal constants whatever their
//! suffix, and a name that is neither a parameter nor bound by `let` is captured from the scope around the closure.

mod captures;
mod hygiene;
mod places;
mod refusal;
#[cfg(test)]
pub(crate) mod tests;

use keops_compiler::{
    ast::{BinaryOp, Expr, ExprKind, MAX_HEIGHT, Span},
    error::Error,
    suggest::closest,
};
use quote::ToTokens;
use syn::{BinOp, Lit, Pat, RangeLimits, Stmt, UnOp, ext::IdentExt};

pub(crate) use captures::Captures;
use hygiene::Scope;
pub(crate) use hygiene::{Context, Name};
pub(crate) use places::{Places, error_at};
use refusal::{refusal, refuse};

/// What the front end must know of the operations: how methods and functions are called.
pub(crate) trait Operations {
    /// The operation that a method or a function of this name stands for: `sqdist` and `SqDist` are `SqDist`.
    fn find(&self, name: &str) -> Option<&'static str>;

    /// The names that methods may have.
    fn method_names(&self) -> Vec<String>;
}

/// Reads the body of a closure whose parameters have the names in `parameters`.
///
/// # Errors
/// At the token that is not part of the formula language, with what to write for it.
pub(crate) fn read(
    body: &syn::Expr,
    parameters: impl IntoIterator<Item = Name>,
    captures: &mut Captures,
    operations: &dyn Operations,
) -> syn::Result<(Expr, Places)> {
    let places = Places::default();
    let scope = Scope::new(parameters);
    let mut reader = Reader {
        scope,
        depth: 0,
        places,
        captures,
        operations,
    };
    let expr = reader.expr(body)?;
    Ok((expr, reader.places))
}

struct Reader<'a> {
    /// The parameters, and the `let` bindings around the place that is read.
    scope: Scope,
    depth: usize,
    places: Places,
    captures: &'a mut Captures,
    operations: &'a dyn Operations,
}

/// The greatest number of terms of a sum in a closure: fewer than in a text, because the tree of Rust's tokens is taken down by recursion.
const MOST_TERMS: usize = 1024;

impl Reader<'_> {
    fn expr(&mut self, expr: &syn::Expr) -> syn::Result<Expr> {
        self.one_deeper(expr, |reader| reader.expr_inside(expr))
    }

    /// Calls `read` one level further down, if a tree may be that high.
    fn one_deeper(
        &mut self,
        tokens: &dyn ToTokens,
        read: impl FnOnce(&mut Self) -> syn::Result<Expr>,
    ) -> syn::Result<Expr> {
        if self.depth == MAX_HEIGHT {
            let message = format!("the formula is nested more than {MAX_HEIGHT} levels deep");
            return Err(refuse(tokens, &message, ""));
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    fn expr_inside(&mut self, expr: &syn::Expr) -> syn::Result<Expr> {
        if let Some(name) = self.variable(expr) {
            return Ok(Expr::new(ExprKind::Name(name), self.places.add(expr)));
        }
        if self.is_capture(expr) {
            let index = self.captures.index_of(expr);
            return Ok(Expr::new(ExprKind::Capture(index), self.places.add(expr)));
        }
        let span = self.places.add(expr);
        let kind = match expr {
            syn::Expr::Paren(inner) => self.expr(&inner.expr)?.kind,
            syn::Expr::Group(inner) => self.expr(&inner.expr)?.kind,
            syn::Expr::Reference(inner) if inner.mutability.is_none() => {
                self.expr(&inner.expr)?.kind
            }
            syn::Expr::Lit(literal) => number(&literal.lit)?,
            syn::Expr::Unary(unary) => match unary.op {
                UnOp::Neg(_) => ExprKind::Neg(Box::new(self.expr(&unary.expr)?)),
                _ => return Err(refusal(expr)),
            },
            syn::Expr::Binary(binary) => {
                let Some(op) = binary_op(&binary.op) else {
                    return Err(refusal(expr));
                };
                if op.is_sum() {
                    return self.sum(binary);
                }
                let op_span = self.places.add(binary.op);
                let left = Box::new(self.expr(&binary.left)?);
                let right = Box::new(self.expr(&binary.right)?);
                ExprKind::Binary {
                    op,
                    op_span,
                    left,
                    right,
                }
            }
            syn::Expr::MethodCall(call) => self.method(call)?,
            syn::Expr::Call(call) => self.function(call)?,
            syn::Expr::Index(index) => self.index(index)?,
            syn::Expr::Array(array) => ExprKind::List(self.exprs(&array.elems)?),
            syn::Expr::Tuple(tuple) => ExprKind::List(self.exprs(&tuple.elems)?),
            syn::Expr::Block(block) if block.label.is_none() => {
                return self.statements(&block.block.stmts, expr);
            }
            _ => return Err(refusal(expr)),
        };
        Ok(Expr::new(kind, span))
    }

    /// A sum, whose terms all stand on one level.
    fn sum(&mut self, sum: &syn::ExprBinary) -> syn::Result<Expr> {
        let mut sums = vec![sum];
        while let Some(syn::Expr::Binary(left)) = sums.last().map(|sum| &*sum.left)
            && binary_op(&left.op).is_some_and(BinaryOp::is_sum)
        {
            if sums.len() == MOST_TERMS - 1 {
                let message = format!("a sum of more than {MOST_TERMS} terms");
                return Err(refuse(sum, &message, ""));
            }
            sums.push(left);
        }
        let mut total = self.expr(&sums[sums.len() - 1].left)?;
        for sum in sums.into_iter().rev() {
            let Some(op) = binary_op(&sum.op) else {
                continue;
            };
            let kind = ExprKind::Binary {
                op,
                op_span: self.places.add(sum.op),
                left: Box::new(total),
                right: Box::new(self.expr(&sum.right)?),
            };
            total = Expr::new(kind, self.places.add(sum));
        }
        Ok(total)
    }

    fn exprs<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e syn::Expr>,
    ) -> syn::Result<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    /// The name, if `expr` is one that the formula itself knows.
    fn variable(&self, expr: &syn::Expr) -> Option<String> {
        let syn::Expr::Path(path) = expr else {
            return None;
        };
        let name = Name::of(path.path.get_ident()?);
        self.scope.find(&name).map(str::to_owned)
    }

    /// Whether `expr` is a place outside of the formula: `sigma`, `self.scale`, `PI`, `*sigma`, `scales[0]`.
    fn is_capture(&self, expr: &syn::Expr) -> bool {
        match expr {
            syn::Expr::Path(_) => self.variable(expr).is_none(),
            syn::Expr::Field(field) => self.is_capture(&field.base),
            syn::Expr::Index(index) => self.is_capture(&index.expr),
            syn::Expr::Paren(inner) => self.is_capture(&inner.expr),
            syn::Expr::Group(inner) => self.is_capture(&inner.expr),
            syn::Expr::Unary(unary) => {
                matches!(unary.op, UnOp::Deref(_)) && self.is_capture(&unary.expr)
            }
            _ => false,
        }
    }

    fn method(&mut self, call: &syn::ExprMethodCall) -> syn::Result<ExprKind> {
        if let Some(turbofish) = &call.turbofish {
            return Err(syn::Error::new_spanned(
                turbofish,
                "operations have no type arguments",
            ));
        }
        let written = call.method.unraw().to_string();
        let Some(name) = self.operations.find(&written) else {
            let error = Error::new(Span::default(), format!("unknown operation `{written}`"));
            let names = self.operations.method_names();
            let error = match closest(&written, names.iter().map(String::as_str)) {
                Some(name) => error.did_you_mean(Some(name)),
                None if self.is_capture(&call.receiver) => error
                    .help("to capture the value of a call, bind it with `let` before the closure"),
                None => error,
            };
            return Err(error_at([call.method.span(); 2], &error));
        };
        let name_span = self.places.add(&call.method);
        let mut args = vec![self.expr(&call.receiver)?];
        args.extend(self.exprs(&call.args)?);
        Ok(ExprKind::Call {
            name: name.to_owned(),
            name_span,
            args,
        })
    }

    fn function(&mut self, call: &syn::ExprCall) -> syn::Result<ExprKind> {
        let ident = match &*call.func {
            syn::Expr::Path(path) => path.path.get_ident(),
            _ => None,
        };
        let Some(ident) = ident else {
            return Err(refuse(
                &call.func,
                "only operations of the formula language can be called in a formula",
                "to capture the value of a call, bind it with `let` before the closure",
            ));
        };
        let written = ident.unraw().to_string();
        let name_span = self.places.add(ident);
        let args = self.exprs(&call.args)?;
        Ok(match self.operations.find(&written) {
            Some(name) => ExprKind::Call {
                name: name.to_owned(),
                name_span,
                args,
            },
            None if written == "Ind" => ExprKind::List(args),
            // The compiler says that it does not know the name, as it does for a formula in text.
            None => ExprKind::Call {
                name: written,
                name_span,
                args,
            },
        })
    }

    /// `x[3]` is `Elem(x, 3)`, `x[1..4]` is `Extract(x, 1, 3)`.
    fn index(&mut self, index: &syn::ExprIndex) -> syn::Result<ExprKind> {
        let vector = self.expr(&index.expr)?;
        let name_span = self.places.add(&index.index);
        let syn::Expr::Range(range) = &*index.index else {
            let args = vec![vector, self.expr(&index.index)?];
            return Ok(ExprKind::Call {
                name: "Elem".to_owned(),
                name_span,
                args,
            });
        };
        let bound = |bound: &Option<Box<syn::Expr>>| match bound.as_deref() {
            Some(syn::Expr::Lit(syn::ExprLit {
                lit: Lit::Int(int), ..
            })) => int.base10_parse::<i64>().ok(),
            _ => None,
        };
        let start = if range.start.is_none() {
            Some(0)
        } else {
            bound(&range.start)
        };
        let end = match range.limits {
            RangeLimits::HalfOpen(_) => bound(&range.end),
            RangeLimits::Closed(_) => bound(&range.end).and_then(|end| end.checked_add(1)),
        };
        let (Some(start), Some(end)) = (start, end) else {
            return Err(refuse(
                range,
                "the bounds of a part must be integer literals",
                "write `x[1..4]`: components 1, 2 and 3",
            ));
        };
        if start >= end {
            return Err(syn::Error::new_spanned(
                range,
                "this part has no components",
            ));
        }
        let mut integer = |value: i64| {
            let kind = ExprKind::Number {
                value: value as f64,
                integer: Some(value),
            };
            Expr::new(kind, self.places.add(range))
        };
        let args = vec![vector, integer(start), integer(end - start)];
        Ok(ExprKind::Call {
            name: "Extract".to_owned(),
            name_span,
            args,
        })
    }

    /// `let` statements and the expression that they lead to; `block` is what holds them.
    fn statements(&mut self, statements: &[Stmt], block: &syn::Expr) -> syn::Result<Expr> {
        let Some((statement, following)) = statements.split_first() else {
            return Err(refuse(
                block,
                "the block ends without an expression",
                "the formula is the last expression of the block, without `;`",
            ));
        };
        match statement {
            Stmt::Local(local) => {
                let (name, value) = binding(local)?;
                let span = self.places.add(local);
                let value = Box::new(self.expr(value)?);
                let name = self.scope.push(name);
                let body = self.one_deeper(local, |reader| reader.statements(following, block));
                self.scope.pop();
                Ok(Expr::new(
                    ExprKind::Let {
                        name,
                        value,
                        body: Box::new(body?),
                    },
                    span,
                ))
            }
            Stmt::Expr(expr, None) if following.is_empty() => self.expr(expr),
            Stmt::Expr(_, Some(semicolon)) if following.is_empty() => Err(refuse(
                semicolon,
                "the block ends without an expression",
                "the formula is the last expression of the block, without `;`",
            )),
            Stmt::Expr(..) | Stmt::Item(_) | Stmt::Macro(_) => Err(refuse(
                statement,
                "only `let` statements may come before a formula's last expression",
                "",
            )),
        }
    }
}

/// The name and the value of `let name = value;`.
fn binding(local: &syn::Local) -> syn::Result<(Name, &syn::Expr)> {
    let pattern = "a formula binds plain names: `let r = ...;`";
    let Pat::Ident(ident) = &local.pat else {
        return Err(refuse(&local.pat, pattern, ""));
    };
    if ident.by_ref.is_some() || ident.mutability.is_some() || ident.subpat.is_some() {
        return Err(refuse(ident, pattern, ""));
    }
    let Some(init) = &local.init else {
        return Err(refuse(local, "this name has no value", ""));
    };
    if let Some((otherwise, _)) = &init.diverge {
        return Err(refuse(otherwise, pattern, ""));
    }
    Ok((Name::of(&ident.ident), &init.expr))
}

fn binary_op(op: &BinOp) -> Option<BinaryOp> {
    Some(match op {
        BinOp::Add(_) => BinaryOp::Add,
        BinOp::Sub(_) => BinaryOp::Sub,
        BinOp::Mul(_) => BinaryOp::Mul,
        BinOp::Div(_) => BinaryOp::Div,
        BinOp::BitOr(_) => BinaryOp::Scalprod,
        BinOp::Lt(_) => BinaryOp::Lt,
        BinOp::Le(_) => BinaryOp::Le,
        BinOp::Gt(_) => BinaryOp::Gt,
        BinOp::Ge(_) => BinaryOp::Ge,
        BinOp::Eq(_) => BinaryOp::Eq,
        BinOp::Ne(_) => BinaryOp::Ne,
        _ => return None,
    })
}

fn number(literal: &Lit) -> syn::Result<ExprKind> {
    let (digits, suffix) = match literal {
        Lit::Int(int) => (int.base10_digits(), int.suffix()),
        Lit::Float(float) => (float.base10_digits(), float.suffix()),
        _ => {
            return Err(refuse(
                literal,
                "the constants of a formula are numbers",
                "",
            ));
        }
    };
    if ![
        "", "f16", "f32", "f64", "i32", "i64", "u32", "u64", "isize", "usize",
    ]
    .contains(&suffix)
    {
        return Err(refuse(
            literal,
            &format!("unknown suffix `{suffix}`"),
            "numbers need none here",
        ));
    }
    let value = digits.parse::<f64>().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        return Err(refuse(
            literal,
            "this number is beyond the range of double precision",
            "",
        ));
    }
    let integer = if suffix.starts_with('f') {
        None
    } else {
        digits.parse().ok()
    };
    Ok(ExprKind::Number { value, integer })
}
