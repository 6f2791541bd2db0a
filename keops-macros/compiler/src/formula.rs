//! A formula on its way through the stages.

use crate::alias::{Alias, Category};
use crate::ast::Expr;
use crate::check::{check, variables};
use crate::dag::{Dag, Node, Variable};
use crate::error::{Error, Subject};
use crate::linearity::{Dependence, dependence, scalar_kernel};
use crate::lower::lower;
use crate::ops::{ABS, CONCAT, IF_ELSE, MINUS, SUM};
use crate::scalar::Graph;
use crate::source::Span;
use crate::stages::{Program, split};
use crate::symmetry::{Exchange, Symmetry, symmetry};

/// A checked formula.
#[derive(Clone)]
pub struct Formula {
    dag: Dag,
    root: Node,
    /// The exponent and the weights, where the root is both.
    weighted: Option<(Node, Node)>,
    /// Number of variables that are aliases; captured scalars follow.
    aliases: usize,
    text: String,
}

/// How a formula that is linear in an unknown acts on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `F = k(x_i, y_j) * b` with a scalar kernel `k`: the columns of `b` are independent right-hand sides.
    Scalar,
    /// `F = M(x_i, y_j) b` with a matrix-valued kernel: one system couples all components.
    Matrix,
}

/// A formula to be solved for one of its variables.
pub struct SolveFormula {
    /// The formula; for [`Shape::Scalar`] the scalar kernel without the unknown.
    pub kernel: Formula,
    /// How it acts on the unknown.
    pub shape: Shape,
    /// Position of the unknown among the variables.
    pub unknown: usize,
    /// Whether the reduction runs over j (axis 1) rather than i (axis 0).
    pub over_j: bool,
    /// What trades places when i and j are exchanged; nothing if symmetry was assumed.
    pub symmetry: Exchange,
}

/// How a formula is found to be symmetric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// The user vouches for it.
    Assumption,
    /// Its structure, or else its values at random points.
    Samples,
    /// Its structure.
    Proof,
}

/// The text of a formula, with the names of captured scalars in the place of their numbers.
fn named(expr: &Expr, captures: &[String]) -> String {
    let mut text = expr.to_string();
    for (number, name) in captures.iter().enumerate().rev() {
        text = text.replace(&format!("${number}"), name);
    }
    text
}

/// `a` where all components of the weights `g` are 0, and `b` elsewhere.
pub(crate) fn where_weightless(dag: &mut Dag, g: Node, a: Node, b: Node) -> Node {
    let sizes = dag.apply(&ABS, &[g]);
    let size = dag.apply(&SUM, &[sizes]);
    let negative = dag.apply(&MINUS, &[size]);
    dag.apply(&IF_ELSE, &[negative, a, b])
}

impl Formula {
    /// Checks a formula over these aliases; `captures` names the scalars that a closure captured.
    pub fn new(expr: &Expr, aliases: &[Alias], captures: &[String]) -> Result<Formula, Error> {
        let variables = variables(&[expr], aliases, captures)?;
        let count = variables.len() - captures.len();
        let mut dag = Dag::new(variables);
        let root = check(&mut dag, expr, count)?;
        Ok(Formula {
            dag,
            root,
            weighted: None,
            aliases: count,
            text: named(expr, captures),
        })
    }

    /// A formula and weights for it, as one formula whose components are those of both.
    pub fn with_weights(
        expr: &Expr,
        weights: &Expr,
        aliases: &[Alias],
        captures: &[String],
    ) -> Result<Formula, Error> {
        let variables = variables(&[expr, weights], aliases, captures)?;
        let count = variables.len() - captures.len();
        let mut dag = Dag::new(variables);
        let parts = [
            check(&mut dag, expr, count)?,
            check(&mut dag, weights, count)?,
        ];
        let root = dag.apply(&CONCAT, &parts);
        Ok(Formula {
            dag,
            root,
            weighted: Some(parts.into()),
            aliases: count,
            text: named(expr, captures),
        })
    }

    /// The same for sums of weighted exponentials, in which a term of no weight must not count: its exponent, to which others are related if it is the
    /// greatest, becomes -inf.
    pub fn without_weightless_terms(mut self) -> Formula {
        if let Some((f, g)) = self.weighted {
            let nothing = self.dag.constant(f64::NEG_INFINITY);
            let exponent = where_weightless(&mut self.dag, g, nothing, f);
            self.root = self.dag.apply(&CONCAT, &[exponent, g]);
        }
        self
    }

    /// The graph that the formula is a node of.
    pub(crate) fn dag(&self) -> &Dag {
        &self.dag
    }

    /// The node that the formula is.
    pub(crate) fn root(&self) -> Node {
        self.root
    }

    /// The exponent and the weights of a formula [with weights](Self::with_weights).
    pub(crate) fn weighted(&self) -> Option<(Node, Node)> {
        self.weighted
    }

    /// Number of components.
    pub fn dim(&self) -> usize {
        self.dag.dim(self.root)
    }

    /// The formula in normal form, with as few blanks and parentheses as it takes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The aliases, in the order in which arrays are bound to them; an unknown that was factored out has dimension 0.
    pub fn aliases(&self) -> &[Variable] {
        &self.dag.variables()[..self.aliases]
    }

    /// The formula in core instructions, not yet split by rate.
    pub fn graph(&self) -> Graph {
        lower(&self.dag, self.root)
    }

    /// The formula in core instructions, split by rate.
    pub fn program(&self) -> Program {
        split(&self.graph(), self.dim())
    }

    /// Whether the value is unchanged when i and j are exchanged.
    pub fn symmetry(&mut self) -> Symmetry {
        symmetry(&mut self.dag, self.root, None, true)
    }

    /// Prepares to solve for the variable called `unknown`, or for the only one in which the formula is linear.
    ///
    /// `span` is the place of the formula, for errors that no smaller place can be blamed for.
    pub fn solve(
        mut self,
        unknown: Option<&str>,
        evidence: Evidence,
        span: Span,
    ) -> Result<SolveFormula, Error> {
        let position = self.unknown(unknown, span)?;
        let name = self.dag.variables()[position].name.clone();
        let category = self.dag.variables()[position].category;
        let over_j = match category {
            Category::J => true,
            Category::I => false,
            Category::Param => {
                return Err(Error::new(
                    span,
                    format!("`{name}` is a parameter; an unknown is Vi or Vj"),
                ));
            }
        };
        let node = self.dag.variable(position);
        if self.dim() != self.dag.dim(node) {
            return Err(Error::new(
                span,
                format!(
                    "the formula has dimension {} and its unknown `{name}` has {}; a system needs as many equations as unknowns",
                    self.dim(),
                    self.dag.dim(node)
                ),
            ));
        }
        let exchange = if evidence == Evidence::Assumption {
            Exchange::default()
        } else {
            let sampled = evidence == Evidence::Samples;
            match symmetry(&mut self.dag, self.root, Some(node), sampled) {
                Symmetry::Symmetric(exchange) => exchange,
                Symmetry::Asymmetric(reason) => {
                    let message = format!("the formula is not symmetric: {reason}");
                    return Err(Error::new(span, message).help(
                        "conjugate gradients need a symmetric operator; write `assume_symmetric` if you know that it is one",
                    ));
                }
            }
        };
        let shape = match scalar_kernel(&mut self.dag, self.root, node) {
            Some(kernel) => {
                self.root = kernel;
                self.dag.retire(position);
                Shape::Scalar
            }
            None => Shape::Matrix,
        };
        Ok(SolveFormula {
            kernel: self,
            shape,
            unknown: position,
            over_j,
            symmetry: exchange,
        })
    }

    fn unknown(&mut self, requested: Option<&str>, span: Span) -> Result<usize, Error> {
        if let Some(name) = requested {
            let aliases = self.aliases();
            let Some(position) = aliases.iter().position(|alias| alias.name == name) else {
                let names = aliases.iter().map(|alias| alias.name.as_str());
                let suggestion = crate::suggest::closest(name, names);
                return Err(
                    Error::new(span, format!("`var = {name}` names no variable"))
                        .about(Subject::Unknown)
                        .did_you_mean(suggestion),
                );
            };
            let node = self.dag.variable(position);
            return match dependence(&self.dag, self.root, node) {
                Dependence::Linear => Ok(position),
                Dependence::Constant => Err(Error::new(
                    span,
                    format!("the formula does not depend on `{name}`"),
                )),
                Dependence::Affine(op) => Err(Error::new(
                    span,
                    format!(
                        "the formula is not linear in `{name}`: {} adds a term without it",
                        op.name
                    ),
                )),
                Dependence::Nonlinear(op) => Err(Error::new(
                    span,
                    format!(
                        "the formula is not linear in `{name}`, because of {}",
                        op.name
                    ),
                )),
            };
        }
        let mut linear = Vec::new();
        let mut others = Vec::new();
        for position in 0..self.aliases {
            let node = self.dag.variable(position);
            let name = self.dag.variables()[position].name.clone();
            match dependence(&self.dag, self.root, node) {
                _ if self.dag.variables()[position].category == Category::Param => {}
                Dependence::Linear => linear.push((position, name)),
                Dependence::Constant => others.push(format!("`{name}` does not occur")),
                Dependence::Affine(op) => {
                    others.push(format!("{} adds a term without `{name}`", op.name));
                }
                Dependence::Nonlinear(op) => {
                    others.push(format!("`{name}` stands under {}", op.name));
                }
            }
        }
        match &linear[..] {
            [(position, _)] => Ok(*position),
            [] => Err(Error::new(
                span,
                format!(
                    "the formula is linear in none of its variables: {}",
                    others.join(", ")
                ),
            )
            .help("the unknown of a system enters linearly, as b does in Exp(-SqDist(x,y))*b")),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|(_, name)| format!("`{name}`"))
                    .collect();
                Err(Error::new(
                    span,
                    format!(
                        "the formula is linear in several variables: {}",
                        names.join(", ")
                    ),
                )
                .help("name the unknown, as in `var = b`"))
            }
        }
    }
}
