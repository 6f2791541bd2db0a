//! The parser of formulas written as text.
//!
//! The language is KeOps' with Python's precedence:
//!
//! ```text
//! expression  = operand { operator operand }            binding by precedence, loosest first:
//!                                                       < <= > >= == !=   |   + -   * /   - (before)   **
//! operand     = "-" operand | number | name | call | list | "(" expression ")"
//! call        = name "(" items ")"
//! list        = "[" items "]" | "(" items ")" | "Ind" "(" items ")"
//! items       = [ expression { "," expression } [ "," ] ]
//! ```
//!
//! White space is free. Tokens are nom parsers; above them the next token decides which rule applies, so nothing is read
//! twice, the time is linear in the text, and an error is where the text first stops being the beginning of a formula.

mod foreign;

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::take_while,
    character::complete::{char, one_of, satisfy},
    combinator::{opt, recognize},
};

use crate::{
    ast::{BinaryOp, Expr, ExprKind, MAX_HEIGHT, MAX_TERMS, Precedence, Span},
    error::Error,
};
use foreign::{BOTH, FOREIGN, TIMES};

/// Parses a formula.
///
/// # Errors
/// If `text` is not a formula: the error's span is where it stops being one. A formula nested deeper than [`MAX_HEIGHT`]
/// is an error too.
pub fn parse(text: &str) -> Result<Expr, Error> {
    Grammar { text }.formula()
}

/// What a rule of the grammar gives: the rest of the text, and what was read.
type Parsed<'a, T> = Result<(&'a str, T), Error>;

/// What a token gives. It is there or it is not; the rule that looks for it knows what to say.
type Token<'a> = IResult<&'a str, &'a str, ()>;

/// An expression and the height of its tree.
struct Node {
    expr: Expr,
    height: usize,
    /// If it is a sum, the number of its terms; otherwise 1.
    terms: usize,
}

/// What stands between two brackets.
struct Items {
    exprs: Vec<Expr>,
    trailing_comma: bool,
    height: usize,
    /// Of the last expression.
    terms: usize,
    /// The closing bracket.
    close: Span,
}

/// The grammar over one text; its methods are the rules. Each takes the rest of the text without white space before it,
/// and leaves none before what it returns. `nesting` is how deep the recursion is.
struct Grammar<'a> {
    text: &'a str,
}

impl<'a> Grammar<'a> {
    fn formula(&self) -> Result<Expr, Error> {
        let input = self.text.trim_start();
        if input.is_empty() {
            return Err(Error::new(self.end(), "the formula is empty"));
        }
        let (rest, node) = self.expression(input, None, 0)?;
        if rest.is_empty() {
            Ok(node.expr)
        } else if rest.starts_with([')', ']']) {
            Err(Error::new(
                self.first(rest, 1),
                format!("this `{}` closes nothing", &rest[..1]),
            ))
        } else {
            Err(self.unexpected(rest, "an operator or the end of the formula"))
        }
    }

    /// An expression of operators that bind more tightly than `floor`.
    fn expression(
        &self,
        input: &'a str,
        floor: Option<Precedence>,
        nesting: usize,
    ) -> Parsed<'a, Node> {
        let (mut input, mut left) = self.operand(input, nesting)?;
        let mut compared = false;
        loop {
            let Some(op) = self.operator(input)? else {
                return Ok((input, left));
            };
            if Some(op.precedence()) <= floor {
                return Ok((input, left));
            }
            let op_span = self.first(input, op.symbol().len());
            if op.is_comparison() && std::mem::replace(&mut compared, true) {
                let error = Error::new(op_span, "comparisons do not chain").help(BOTH);
                return Err(error);
            }
            let rest = &input[op.symbol().len()..].trim_start();
            // A power groups from the right, and its exponent may have a sign.
            let (rest, right) = if op == BinaryOp::Pow {
                self.expression(rest, Some(Precedence::Negation), nesting + 1)?
            } else {
                self.expression(rest, Some(op.precedence()), nesting)?
            };
            let span = left.expr.span.to(right.expr.span);
            // All terms of a sum stand on one level.
            let continued = op.is_sum() && left.terms > 1;
            let height = if continued {
                left.height.max(right.height + 1)
            } else {
                left.height.max(right.height) + 1
            };
            let terms = if op.is_sum() { left.terms + 1 } else { 1 };
            if terms > MAX_TERMS {
                let message = format!("a sum of more than {MAX_TERMS} terms");
                let help = "make vectors of them and sum up these, as in (a|b) or Sum(f)";
                return Err(Error::new(op_span, message).help(help));
            }
            let (left_expr, right_expr) = (Box::new(left.expr), Box::new(right.expr));
            let kind = ExprKind::Binary {
                op,
                op_span,
                left: left_expr,
                right: right_expr,
            };
            left = Node {
                terms,
                ..node(kind, span, height)?
            };
            input = rest;
        }
    }

    /// The operator at the beginning of `input`, if one is there.
    fn operator(&self, input: &'a str) -> Result<Option<BinaryOp>, Error> {
        let op = BinaryOp::ALL
            .into_iter()
            .find(|op| input.starts_with(op.symbol()));
        let length = op.map_or(0, |op| op.symbol().len());
        // `//` must not be read as two divisions.
        let longer = |token: &str| token.len() > length && input.starts_with(token);
        if op.is_some() && FOREIGN.iter().any(|(token, _)| longer(token)) {
            return Err(self.unexpected(input, "an operator"));
        }
        Ok(op)
    }

    fn operand(&self, input: &'a str, nesting: usize) -> Parsed<'a, Node> {
        if nesting > MAX_HEIGHT {
            return Err(too_deep(self.first(input, 0)));
        }
        match input.chars().next() {
            Some('-') => {
                let rest = &input[1..].trim_start();
                let (rest, body) =
                    self.expression(rest, Some(Precedence::Negation), nesting + 1)?;
                let span = self.first(input, 1).to(body.expr.span);
                Ok((
                    rest,
                    node(ExprKind::Neg(Box::new(body.expr)), span, body.height + 1)?,
                ))
            }
            Some('(') => {
                let (rest, mut items) = self.items(input, ')', nesting + 1)?;
                let span = self.first(input, 1).to(items.close);
                if items.exprs.len() == 1 && !items.trailing_comma {
                    let expr = items.exprs.remove(0);
                    return Ok((
                        rest,
                        Node {
                            expr: Expr { span, ..expr },
                            height: items.height,
                            terms: items.terms,
                        },
                    ));
                }
                Ok((
                    rest,
                    node(ExprKind::List(items.exprs), span, items.height + 1)?,
                ))
            }
            Some('[') => {
                let (rest, items) = self.items(input, ']', nesting + 1)?;
                let span = self.first(input, 1).to(items.close);
                Ok((
                    rest,
                    node(ExprKind::List(items.exprs), span, items.height + 1)?,
                ))
            }
            Some(c) if is_name_start(c) => self.name(input, nesting),
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(input),
            _ => Err(self.unexpected(input, "an operand")),
        }
    }

    /// A name, or a call of the operation with that name.
    fn name(&self, input: &'a str, nesting: usize) -> Parsed<'a, Node> {
        let Ok((rest, name)) = name(input) else {
            return Err(self.unexpected(input, "a name"));
        };
        let name_span = self.first(input, name.len());
        let rest = rest.trim_start();
        if !rest.starts_with('(') {
            return Ok((rest, node(ExprKind::Name(name.to_owned()), name_span, 1)?));
        }
        let (rest, items) = self.items(rest, ')', nesting + 1)?;
        let kind = match name {
            "Ind" => ExprKind::List(items.exprs),
            _ => ExprKind::Call {
                name: name.to_owned(),
                name_span,
                args: items.exprs,
            },
        };
        Ok((
            rest,
            node(kind, name_span.to(items.close), items.height + 1)?,
        ))
    }

    /// A bracket, expressions between commas, and the bracket `close`.
    fn items(&self, input: &'a str, close: char, nesting: usize) -> Parsed<'a, Items> {
        let open = input;
        let mut input = input[1..].trim_start();
        let mut items = Items {
            exprs: Vec::new(),
            trailing_comma: false,
            height: 0,
            terms: 1,
            close: Span::default(),
        };
        loop {
            if input.is_empty() {
                let message = format!("this `{}` is never closed", &open[..1]);
                return Err(Error::new(self.first(open, 1), message));
            }
            if input.starts_with(close) {
                items.close = self.first(input, 1);
                let rest = &input[1..].trim_start();
                return Ok((rest, items));
            }
            if !items.exprs.is_empty() && !items.trailing_comma {
                return Err(self.unexpected(input, &format!("an operator, `,` or `{close}`")));
            }
            let (rest, item) = self.expression(input, None, nesting)?;
            items.exprs.push(item.expr);
            items.height = items.height.max(item.height);
            items.terms = item.terms;
            let after_comma = rest.strip_prefix(',');
            items.trailing_comma = after_comma.is_some();
            input = after_comma.unwrap_or(rest).trim_start();
        }
    }

    fn number(&self, input: &'a str) -> Parsed<'a, Node> {
        let Ok((rest, literal)) = number(input) else {
            return Err(self.unexpected(input, "an operand"));
        };
        let span = self.first(input, literal.len());
        let tail = rest.len()
            - rest
                .trim_start_matches(|c| is_name_part(c) || c == '.')
                .len();
        if tail > 0 {
            let span = self.first(input, literal.len() + tail);
            let message = format!("`{}` is not a number", &input[..literal.len() + tail]);
            let error = Error::new(span, message);
            return Err(if rest.starts_with(is_name_start) {
                error.help(TIMES)
            } else {
                error
            });
        }
        let digits = literal.replace('_', "");
        let value = digits.parse::<f64>().unwrap_or(f64::INFINITY);
        if !value.is_finite() {
            let message = "this number is beyond the range of double precision";
            return Err(Error::new(span, message));
        }
        let rest = rest.trim_start();
        // Fails for a literal that has a point or an exponent, and for one that is too large.
        let integer = digits.parse().ok();
        Ok((rest, node(ExprKind::Number { value, integer }, span, 1)?))
    }

    /// The error that something else than `expected` stands at the beginning of `rest`.
    fn unexpected(&self, rest: &'a str, expected: &str) -> Error {
        let Some(first) = rest.chars().next() else {
            return Error::new(
                self.end(),
                format!("expected {expected}, but the formula ends"),
            );
        };
        let word = rest.len() - rest.trim_start_matches(is_name_part).len();
        let symbols = BinaryOp::ALL.iter().map(|op| op.symbol());
        let foreign = FOREIGN.iter().map(|(token, _)| *token);
        let symbol = symbols
            .chain(foreign)
            .filter(|token| rest.starts_with(token))
            .map(str::len)
            .max();
        let length = if word > 0 {
            word
        } else {
            symbol.unwrap_or(first.len_utf8())
        };
        let token = &rest[..length];

        let span = self.first(rest, length);
        let help = FOREIGN
            .iter()
            .find(|(foreign, _)| *foreign == token)
            .map(|(_, help)| *help);
        let error = match symbol {
            None if word == 0 && !",()[]".contains(first) => Error::new(
                span,
                format!("unknown character `{}`", first.escape_debug()),
            ),
            _ => Error::new(span, format!("expected {expected}, found `{token}`")),
        };
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    }

    /// The span of the first `length` bytes of `rest`.
    fn first(&self, rest: &str, length: usize) -> Span {
        let start = self.text.len() - rest.len();
        Span::new(start, start + length)
    }

    /// The place after the last token.
    fn end(&self) -> Span {
        let end = self.text.trim_end().len();
        Span::new(end, end)
    }
}

/// A node of the given height, if a tree may be that high.
fn node(kind: ExprKind, span: Span, height: usize) -> Result<Node, Error> {
    if height > MAX_HEIGHT {
        return Err(too_deep(span));
    }
    Ok(Node {
        expr: Expr::new(kind, span),
        height,
        terms: 1,
    })
}

fn too_deep(span: Span) -> Error {
    Error::new(
        span,
        format!("the formula is nested more than {MAX_HEIGHT} levels deep"),
    )
}

fn name(input: &str) -> Token<'_> {
    recognize((satisfy(is_name_start), take_while(is_name_part))).parse(input)
}

/// `1`, `1_000`, `0.5`, `.5`, `5.`, `1e-3`
fn number(input: &str) -> Token<'_> {
    fn digits(input: &str) -> Token<'_> {
        let digit = |c: char| c.is_ascii_digit();
        recognize((satisfy(digit), take_while(move |c| digit(c) || c == '_'))).parse(input)
    }
    let whole = recognize((digits, opt((char('.'), opt(digits)))));
    let fraction = recognize((char('.'), digits));
    let exponent = (one_of("eE"), opt(one_of("+-")), digits);
    recognize((alt((whole, fraction)), opt(exponent))).parse(input)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}
