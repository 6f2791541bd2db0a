//! The documentation of the formula language, made from the operation table.

use std::fmt::Write;

use crate::ops::{self, Derivative, Op};
use crate::{check, differential};

/// A Markdown page that lists all operations and differential constructs.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for (title, ops) in ops::sections() {
        let _ = writeln!(
            page,
            "\n## {title}\n\n| Operation | Methods | Value | Derivative | Error |\n|---|---|---|---|---|"
        );
        for op in *ops {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                check::usage(op),
                methods(op),
                escaped(op.doc),
                derivative(op),
                error(op)
            );
        }
    }
    page.push_str(DIFFERENTIAL);
    for construct in differential::all() {
        let _ = writeln!(
            page,
            "| `{}` | `.{}` | {} |",
            construct.usage,
            construct.method,
            escaped(construct.doc)
        );
    }
    page
}

/// Text inside a table, with nothing that Markdown would take for its own.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('[', "\\[")
        .replace(']', "\\]")
}

fn methods(op: &Op) -> String {
    if op.args.is_empty() {
        return String::new();
    }
    let names =
        std::iter::once(op.name.to_lowercase()).chain(op.aliases.iter().map(|&a| a.to_owned()));
    // A keyword of Rust can be a name in its raw form only.
    names
        .map(|name| match name.as_str() {
            "mod" => "`.r#mod`".to_owned(),
            _ => format!("`.{name}`"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn derivative(op: &Op) -> &'static str {
    match op.derivative {
        Derivative::Zero => "0",
        _ if op.args.is_empty() => "0",
        _ => "yes",
    }
}

/// The bounds of the errors, in `f32` and `f64`.
fn error(op: &Op) -> String {
    match op.ulp {
        Some([single, double]) if single == double => format!("{double:.1}"),
        Some([single, double]) => format!("{single:.1}, {double:.1}"),
        None => String::new(),
    }
}

const HEAD: &str = "\
# The formula language

The language is that of KeOps. A formula is a vector `F(i, j)` of static dimension, made of variables (`Vi`, `Vj`, `Pm`), numbers, operators
and operations. In a formula that is written as a string operations have the names of the first column; in a closure they are
methods with the names of the second, called on their first argument.

Operators, from the loosest to the tightest: comparisons `< <= > >= == !=` (1 or 0 for each component; they do not chain),
the scalar product `f|g`, `+ -`, `* /`, unary minus, and the power `**`, which groups from the right. `[2,3]` and `Ind(2,3)` are lists of
indices. `Var(pos, dim, cat)` is the variable at position `pos`, with `cat` 0 for i, 1 for j, 2 for a parameter.

Operations on one or several vectors act on components; where several dimensions meet, each must be 1 or the largest. Matrices and tensors are stored row
by row. Where a derivative does not exist, it is given by the convention in the table, and zero at jumps; one that grows without bound is infinite (that of
`XLogX` at 0). What a piecewise function does not choose has the factor 0 in its derivative: where its own is infinite or NaN, the result is NaN.

Infinities and NaN follow IEEE 754, with these exceptions: `0*f`, `0/f` and `f - f` are simplified to 0 whatever f is; a product of exponentials may be computed
as the exponential of a sum, which overflows later; zeros have no sign, so that an infinite quotient by 0 may have either; exponentials and powers below the smallest normal
number are 0; `Min`, `Max`, `ArgMin` and `ArgMax` of a vector that has NaN among its components are not specified. Reductions skip NaN in minima and maxima, and where nothing is left
the index is 0. Norms, `Normalize`, and the modulus and quotient of complex numbers square components, which overflow beyond 1e19 in `f32` and 1e154 in `f64`, and are 0 below 1e-23 and 1e-162; `Hypot` does not.

Errors are bounds in units in the last place of the result: in `f32`, then in `f64` where that differs. A test holds the operations to them on every instruction
set, at many points over the range of the type, against mpmath and arithmetic of twice the digits. They are those of an operation on exact arguments: an error of the
argument counts as often as the function is steep, for e^f as often as f is large. Operations without an entry are exact, or say themselves what their error is small beside, or
round each of their sums and products: where terms cancel, such an error is small beside the terms, not beside the result.
";

const DIFFERENTIAL: &str = "
## Differential constructs

They take a formula `F` and one of its variables `v`, and stand for a formula; they can be nested to any order.

| Construct | Method | Value |
|---|---|---|
";
