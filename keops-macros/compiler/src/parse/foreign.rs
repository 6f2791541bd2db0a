//! What authors bring from other languages, and how a formula says it.

/// Tokens of other languages, and how a formula says the same.
pub(super) const FOREIGN: &[(&str, &str)] = &[
    ("^", "a power is written `x**2` or `Pow(x, 2)`"),
    ("//", "the quotient rounded down is written `Floor(x/y)`"),
    ("%", "the remainder is written `Mod(x, n, d)`"),
    (
        "@",
        "products are written `(x|y)`, `MatVecMult(A, x)`, `VecMatMult(x, A)` or `TensorDot(..)`",
    ),
    ("&&", BOTH),
    ("&", BOTH),
    ("and", BOTH),
    ("||", EITHER),
    ("or", EITHER),
    ("!", NOT),
    ("not", NOT),
    ("~", NOT),
    ("=", "elementwise equality is written `==`"),
    ("===", "elementwise equality is written `==`"),
    ("<>", "elementwise inequality is written `!=`"),
    ("≠", "elementwise inequality is written `!=`"),
    ("≤", "write `<=`"),
    ("≥", "write `>=`"),
    (
        "if",
        "a choice is written `IfElse(c, a, b)`: a where c >= 0, b elsewhere",
    ),
    (
        "?",
        "a choice is written `IfElse(c, a, b)`: a where c >= 0, b elsewhere",
    ),
    ("+", "a sign `+` has no effect; leave it out"),
    (".", "an operation is called as `Exp(x)`"),
    (
        "[",
        "a component is written `Elem(x, 3)`, a part `Extract(x, start, length)`",
    ),
    ("(", TIMES),
    ("×", TIMES),
    ("·", TIMES),
    ("−", "write `-`"),
    ("÷", "write `/`"),
    ("²", "a square is written `x**2` or `Square(x)`"),
];
pub(super) const BOTH: &str =
    "where both conditions hold is written as a product, `(a < b)*(b < c)`";
const EITHER: &str = "where one of two conditions holds is written `(a < b) + (b < c) > 0`";
const NOT: &str = "where a condition does not hold is written `1 - (a < b)`";
pub(super) const TIMES: &str = "a product is written with its operator, `x*y`";
