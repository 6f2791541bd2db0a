//! The syntax tree of a formula: what was written, and where, with no meaning attached yet.
//!
//! Both front ends make it: [`parse`](crate::parse::parse) from the text of a formula, and the macro crate from the tokens
//! of a Rust closure. Names are not resolved here and dimensions are not known; `x` may be an alias or a mistake.

pub use crate::source::Span;

/// The greatest height of a syntax tree, so that recursion over one is safe on any thread's stack.
pub const MAX_HEIGHT: usize = 256;

/// The greatest number of terms of a sum. They stand on one level, whatever their number.
pub const MAX_TERMS: usize = 4096;

/// An expression and the place where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What stands there.
    pub kind: ExprKind,
    /// The place, with the parentheses around it.
    pub span: Span,
}

/// The forms that an expression takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A literal; never negative, `-2` is the negation of 2.
    Number {
        /// The double nearest to the decimal number that was written; finite.
        value: f64,
        /// The value again, if it was written as an integer and fits: `2`, but not `2.0` or `2e0`.
        integer: Option<i64>,
    },
    /// An alias, a `let` binding, or something unknown.
    Name(String),
    /// `-x`
    Neg(Box<Expr>),
    /// `left op right`
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Where the operator itself stands.
        op_span: Span,
        /// The operand on its left.
        left: Box<Expr>,
        /// The operand on its right.
        right: Box<Expr>,
    },
    /// `name(args)`
    Call {
        /// The operation's name.
        name: String,
        /// Where the name stands.
        name_span: Span,
        /// The operands and parameters, in order.
        args: Vec<Expr>,
    },
    /// A list of indices or of variables: `[2, 3]`, `(2, 3)` and `Ind(2, 3)`.
    List(Vec<Expr>),
    /// `let name = value; body`, from closures alone.
    Let {
        /// The new name, which shadows others in `body`.
        name: String,
        /// What it stands for.
        value: Box<Expr>,
        /// Where it is known.
        body: Box<Expr>,
    },
    /// The scalar that a closure captured under this number, from closures alone.
    Capture(usize),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`
    Div,
    /// `a ** b`
    Pow,
    /// `a | b`, the scalar product
    Scalprod,
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
    /// `a == b`, elementwise
    Eq,
    /// `a != b`, elementwise
    Ne,
}

/// How tightly an operator binds; the levels are Python's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Precedence {
    /// `< <= > >= == !=`, which do not chain.
    Comparison,
    /// `|`
    Scalprod,
    /// `+ -`
    Sum,
    /// `* /`
    Product,
    /// `-` before an operand.
    Negation,
    /// `**`, which groups from the right.
    Power,
    /// Names, numbers, calls, lists, and whatever stands in parentheses.
    Atom,
}

impl BinaryOp {
    /// All operators. One that begins with another comes before it, so that the first match is the longest.
    pub const ALL: [Self; 12] = [
        Self::Pow,
        Self::Le,
        Self::Ge,
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Gt,
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Scalprod,
    ];

    /// The operator as it is written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Pow => "**",
            Self::Scalprod => "|",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Eq => "==",
            Self::Ne => "!=",
        }
    }

    /// Whether it is one of `< <= > >= == !=`.
    pub const fn is_comparison(self) -> bool {
        matches!(self.precedence(), Precedence::Comparison)
    }

    /// Whether it is `+` or `-`.
    pub const fn is_sum(self) -> bool {
        matches!(self.precedence(), Precedence::Sum)
    }

    pub(crate) const fn precedence(self) -> Precedence {
        match self {
            Self::Lt | Self::Le | Self::Gt | Self::Ge | Self::Eq | Self::Ne => {
                Precedence::Comparison
            }
            Self::Scalprod => Precedence::Scalprod,
            Self::Add | Self::Sub => Precedence::Sum,
            Self::Mul | Self::Div => Precedence::Product,
            Self::Pow => Precedence::Power,
        }
    }
}

/// A term of a sum, behind the first one.
pub(crate) struct Term<'a> {
    /// `+` or `-`.
    pub(crate) op: BinaryOp,
    /// Where the operator stands.
    pub(crate) op_span: Span,
    pub(crate) expr: &'a Expr,
}

impl Expr {
    /// The terms of a sum, `a - b + c`: the first one and the others; there are no others if this is no sum. A tree leans to the left as far as there are
    /// terms, so that nothing may recurse over them.
    pub(crate) fn terms(&self) -> (&Expr, Vec<Term<'_>>) {
        let (mut first, mut others) = (self, Vec::new());
        while let ExprKind::Binary {
            op,
            op_span,
            left,
            right,
        } = &first.kind
            && op.is_sum()
        {
            others.push(Term {
                op: *op,
                op_span: *op_span,
                expr: right,
            });
            first = left;
        }
        others.reverse();
        (first, others)
    }

    /// An expression of the form `kind` at `span`.
    pub const fn new(kind: ExprKind, span: Span) -> Self {
        Self { kind, span }
    }
}
