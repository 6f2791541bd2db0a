//! Emission of CUDA device functions.
//!
//! The text is C++ for the compiler of CUDA, without headers. It defines `hoist_i`, `hoist_j` and `pair`, like the methods of the
//! runtime's `Kernel` trait, for an element type `T` that the runtime defines in front of it, as it does the few functions
//! that the spellings of [`Instruction`](crate::scalar::Instruction)s name beyond those of CUDA. Features of parameters are computed
//! on the host.

use std::fmt::{self, Display, Formatter, Write as _};

use super::schedule::{Computation, Statement, Term, schedule};
use crate::scalar::{Graph, Index, Source, Stage};
use crate::stages::Program;

/// Loops of code of at most this many instructions are unrolled, so that features and sums can be in registers, which have no index.
const UNROLLED: usize = 600;

/// The functions of a formula.
pub fn functions(program: &Program) -> String {
    let mut text = String::new();
    for (name, graph) in [("hoist_i", &program.i), ("hoist_j", &program.j)] {
        let head =
            format!("__device__ __forceinline__ void {name}(const T* p, const T* raw, T* out)");
        function(&mut text, &head, graph, false);
    }
    let head = "template <class Out>\n\
                __device__ __forceinline__ void pair(const T* p, const T* i, const T* j, Out& out)";
    function(&mut text, head, &program.pair, true);
    text
}

fn function(text: &mut String, head: &str, graph: &Graph, pair: bool) {
    let statements = Block {
        statements: &schedule(graph, pair),
        pair,
        unroll: graph.instructions() <= UNROLLED,
        depth: 1,
    };
    // Writing to a string does not fail.
    let _ = write!(text, "{head} {{\n{statements}}}\n");
}

/// Statements, indented.
struct Block<'a> {
    statements: &'a [Statement],
    /// Whether outputs go to an accumulator, not to features.
    pair: bool,
    /// Whether the compiler is told to unroll loops.
    unroll: bool,
    depth: usize,
}

impl Display for Block<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for statement in self.statements {
            write!(f, "{:1$}", "", 4 * self.depth)?;
            self.statement(statement, f)?;
            f.write_char('\n')?;
        }
        Ok(())
    }
}

impl Block<'_> {
    fn statement(&self, statement: &Statement, f: &mut Formatter<'_>) -> fmt::Result {
        match statement {
            Statement::Let(name, value) => write!(f, "const T v{name} = {value};"),
            Statement::Variable(name, value) => write!(f, "T v{name} = {value};"),
            Statement::Assign(name, value) => write!(f, "v{name} = {value};"),
            Statement::AddTerm { sums, which, term } => {
                let sum = sums[*which];
                match term {
                    Term::Value(value) => write!(f, "v{sum} = v{sum} + v{value};"),
                    Term::Product([a, b]) => write!(f, "v{sum} = fma(v{a}, v{b}, v{sum});"),
                }
            }
            Statement::Array(name, length) => write!(f, "T v{name}[{length}] = {{}};"),
            Statement::Store(array, at, value) => {
                write!(f, "v{array}[{}] = v{value};", Position(at))
            }
            Statement::Loop {
                counter,
                extent,
                descending,
                body,
            } => {
                if self.unroll {
                    write!(f, "#pragma unroll\n{:1$}", "", 4 * self.depth)?;
                }
                let (first, condition, step) = if *descending {
                    (extent - 1, ">= 0".to_owned(), "--")
                } else {
                    (0, format!("< {extent}"), "++")
                };
                writeln!(
                    f,
                    "for (int v{counter} = {first}; v{counter} {condition}; {step}v{counter}) {{"
                )?;
                let body = Block {
                    statements: body,
                    depth: self.depth + 1,
                    ..*self
                };
                write!(f, "{body}{:1$}}}", "", 4 * self.depth)
            }
            Statement::Output(at, value) if self.pair => {
                write!(f, "out.push({}, v{value});", Position(at))
            }
            Statement::Output(at, value) => write!(f, "out[{}] = v{value};", Position(at)),
            Statement::OutputProduct(at, [a, b]) => {
                write!(f, "out.push_product({}, v{a}, v{b});", Position(at))
            }
        }
    }
}

impl Display for Computation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Computation::Constant(x) if x.is_nan() => f.write_str("(T)not_a_number()"),
            Computation::Constant(x) if x.is_infinite() => {
                let sign = if *x < 0.0 { "-" } else { "" };
                write!(f, "{sign}(T)infinity()")
            }
            Computation::Constant(x) => write!(f, "(T){x:?}"),
            Computation::Position(at) => write!(f, "(T)({})", Position(at)),
            Computation::Load(source, at) => {
                let array = match source {
                    Source::Raw(_) => "raw",
                    Source::Feature(Stage::I) => "i",
                    Source::Feature(Stage::J) => "j",
                    Source::Feature(_) => "p",
                    Source::Distance => "distance",
                    Source::Array(_) | Source::Earlier(_) => {
                        unreachable!("arrays have names in schedules")
                    }
                };
                write!(f, "{array}[{}]", Position(at))
            }
            Computation::Element(array, at) => write!(f, "v{array}[{}]", Position(at)),
            Computation::Total([a, b, c, d]) => write!(f, "(v{a} + v{b}) + (v{c} + v{d})"),
            Computation::Apply(instruction, operands) => {
                // A letter behind a dollar sign is an operand.
                let mut rest = instruction.info().cuda;
                while let Some((before, after)) = rest.split_once('$') {
                    f.write_str(before)?;
                    let mut letters = after.chars();
                    let letter = letters.next().map_or(0, |letter| letter as usize);
                    let operand = operands.get(letter.wrapping_sub('a' as usize));
                    write!(f, "v{}", operand.ok_or(fmt::Error)?)?;
                    rest = letters.as_str();
                }
                f.write_str(rest)
            }
        }
    }
}

/// An index as an expression.
struct Position<'a>(&'a Index);

impl Display for Position<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, (counter, stride)) in self.0.terms.iter().enumerate() {
            let plus = if n > 0 { " + " } else { "" };
            match stride {
                1 => write!(f, "{plus}v{}", counter.0)?,
                stride => write!(f, "{plus}{stride} * v{}", counter.0)?,
            }
        }
        match (self.0.terms.is_empty(), self.0.offset) {
            (true, offset) => write!(f, "{offset}"),
            (false, 0) => Ok(()),
            (false, offset) => write!(f, " + {offset}"),
        }
    }
}
