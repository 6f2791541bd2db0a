//! A formula's values from the compiler and from the reference, and what may be between them.

use std::collections::HashMap;
use std::fmt;

use keops_compiler::Formula;
use keops_compiler::alias::Category;
use keops_compiler::ast::{Expr, ExprKind};
use keops_compiler::scalar::{Graph, Inputs, interpret};
use keops_compiler::stages::Program;
use keops_compiler::{differential, ops};

use crate::generate::{VARIABLES, aliases};
use crate::number::{Met, ORDER, observe};
use crate::random::Random;
use crate::reference::{self, Values, evaluate};

/// The largest dimension and the largest number of instructions of a formula that is tried.
const LARGEST: (usize, usize) = (64, 20_000);

/// Evaluations with noise at each point.
const SAMPLES: usize = 3;

/// Further ones where something disagrees.
const SAMPLES_OF_DOUBT: usize = 60;

/// How often further than from one noisy evaluation to another the compiled formula may be from the reference.
const FACTOR: f64 = 64.0;

/// What was compared.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) formulas: u64,
    pub(crate) rejected: u64,
    /// Components that were compared, as numbers.
    pub(crate) compared: u64,
    /// Components that are infinite or NaN, and are in the reference.
    pub(crate) not_finite: u64,
    /// Components that depend on roundings too much.
    pub(crate) ill_conditioned: u64,
    /// Components that differ where documentation lets them.
    pub(crate) conventions: u64,
}

/// How many formulas with each operation or construct were compared, and with each order of derivatives.
#[derive(Default)]
pub(crate) struct Coverage {
    names: HashMap<String, u64>,
    orders: [u64; ORDER + 1],
}

impl Coverage {
    pub(crate) fn add(&mut self, formula: &Expr) {
        let mut names: Vec<&String> = parts(formula).into_iter().filter_map(called).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            *self.names.entry(name.clone()).or_default() += 1;
        }
        self.orders[order(formula)] += 1;
    }

    /// Asserts that everything was compared at least so often.
    pub(crate) fn assert_at_least(&self, count: u64) {
        let operations = ops::all().map(|op| op.name);
        let constructs = differential::all().iter().map(|construct| construct.name);
        for name in operations.chain(constructs) {
            let found = self.names.get(name).copied().unwrap_or(0);
            assert!(found >= count, "{name} was compared {found} times");
        }
        assert!(self.orders.iter().all(|&found| found >= count), "{self}");
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.names.iter().min_by_key(|(_, count)| **count);
        write!(
            f,
            "formulas of derivatives of order 0, 1, 2, ..: {:?}; rarest: {least:?}",
            self.orders
        )
    }
}

/// The order of the derivatives that a formula takes.
fn order(formula: &Expr) -> usize {
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

fn called(formula: &Expr) -> Option<&String> {
    match &formula.kind {
        ExprKind::Call { name, .. } => Some(name),
        _ => None,
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} formulas, {} rejected; components: {} compared, {} compared as infinite or NaN, {} ill-conditioned, {} left open",
            self.formulas,
            self.rejected,
            self.compared,
            self.not_finite,
            self.ill_conditioned,
            self.conventions
        )
    }
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.formulas += other.formulas;
        self.rejected += other.rejected;
        self.compared += other.compared;
        self.not_finite += other.not_finite;
        self.ill_conditioned += other.ill_conditioned;
        self.conventions += other.conventions;
    }

    /// Asserts that most of what was generated was compared.
    pub(crate) fn assert_worth(&self) {
        let all = self.compared + self.not_finite + self.ill_conditioned + self.conventions;
        assert!(self.compared * 10 >= all * 7, "{self}");
        assert!(self.conventions * 25 <= all, "{self}");
        assert!(self.rejected * 10 <= self.formulas, "{self}");
    }
}

/// A formula and what the compiler makes of it.
pub(crate) struct Trial {
    pub(crate) formula: Expr,
    graph: Graph,
    program: Program,
}

/// What becomes of one component.
enum Verdict {
    Compared,
    NotFinite,
    IllConditioned,
    Convention,
    Wrong,
}

impl Trial {
    /// `None` if the compiler rejects the formula, or it is too large.
    pub(crate) fn new(formula: Expr) -> Option<Trial> {
        let compiled = Formula::new(&formula, &aliases(), &[]).ok()?;
        let graph = compiled.graph();
        if compiled.dim() > LARGEST.0 || graph.cost() > LARGEST.1 {
            return None;
        }
        let program = compiled.program();
        assert_eq!(program.dim, compiled.dim());
        Some(Trial {
            formula,
            graph,
            program,
        })
    }

    /// Compares at a random point; the error says what disagrees.
    ///
    /// Whether numbers were compared.
    pub(crate) fn run(&self, random: &mut Random, tally: &mut Tally) -> Result<bool, String> {
        let values = point(random);
        let (counts, wrong) = self.compare(&values, random);
        let compared = counts.compared > 0;
        tally.add(counts);
        let Some(wrong) = wrong else {
            return Ok(compared);
        };
        // The smallest part that disagrees says most.
        let mut all = parts(&self.formula);
        all.sort_by_key(|part| part.to_string().len());
        let smallest = all.into_iter().find_map(|part| {
            let trial = Trial::new(part.clone())?;
            Some((part, trial.compare(&values, random).1?))
        });
        let (part, wrong) = smallest.unwrap_or((&self.formula, wrong));
        let mut inputs: Vec<String> = parts(part)
            .into_iter()
            .filter_map(|part| match &part.kind {
                ExprKind::Name(name) => Some(format!("{name} = {:?}", values[name.as_str()])),
                _ => None,
            })
            .collect();
        inputs.sort_unstable();
        inputs.dedup();
        let inputs = inputs.join(", ");
        Err(format!(
            "{part}: {wrong}\n    where {inputs}\n    in {}",
            self.formula
        ))
    }

    /// What disagrees, if anything does.
    fn compare(&self, values: &Values, random: &mut Random) -> (Tally, Option<String>) {
        let inputs = inputs(values);
        let ours = [
            ("as a whole", interpret(&self.graph, &inputs)),
            ("in stages", self.program.interpret(&inputs)),
        ];
        let mut expectation = Expectation::new(&self.formula, values);
        expectation.sample(&self.formula, values, random, SAMPLES);
        let first = expectation.judge(&ours);
        if first.1.is_none() {
            return first;
        }
        // All of few samples may be on one side of a jump.
        expectation.sample(&self.formula, values, random, SAMPLES_OF_DOUBT);
        expectation.judge(&ours)
    }
}

/// What the reference makes of a formula at a point.
struct Expectation {
    components: Vec<f64>,
    /// The same with noise, several times.
    samples: Vec<Vec<f64>>,
    met: Met,
    /// Whether derivatives are taken.
    differential: bool,
}

impl Expectation {
    fn new(formula: &Expr, values: &Values) -> Expectation {
        let (components, met) = observe(None, || evaluate(formula, values));
        Expectation {
            components,
            samples: Vec::new(),
            met,
            differential: parts(formula).into_iter().any(is_construct),
        }
    }

    fn sample(&mut self, formula: &Expr, values: &Values, random: &mut Random, count: usize) {
        for _ in 0..count {
            let values = moved(values, random);
            let noise = Random(random.next());
            let (sample, met) = observe(Some(noise), || evaluate(formula, &values));
            self.samples.push(sample);
            self.met = self.met.or(met);
        }
    }

    /// What the components of ours are, and the first one that is wrong.
    fn judge(&self, ours: &[(&str, Vec<f64>)]) -> (Tally, Option<String>) {
        let mut tally = Tally::default();
        let mut wrong = None;
        for (what, ours) in ours {
            assert_eq!(ours.len(), self.components.len(), "dimension");
            for (k, &x) in ours.iter().enumerate() {
                match self.verdict(k, x) {
                    Verdict::Compared => tally.compared += 1,
                    Verdict::NotFinite => tally.not_finite += 1,
                    Verdict::IllConditioned => tally.ill_conditioned += 1,
                    Verdict::Convention => tally.conventions += 1,
                    Verdict::Wrong => {
                        let expected = self.components[k];
                        let text = format!("{what}, component {k} is {x:e} and not {expected:e}");
                        wrong.get_or_insert(text);
                    }
                }
            }
        }
        (tally, wrong)
    }

    fn verdict(&self, k: usize, ours: f64) -> Verdict {
        let (expected, met) = (self.components[k], self.met);
        let samples = self.samples.iter().map(|sample| sample[k]);
        let same_kind =
            |x: f64, y: f64| x.is_finite() && y.is_finite() || x == y || x.is_nan() && y.is_nan();
        if !samples.clone().all(|sample| same_kind(sample, expected)) {
            return Verdict::IllConditioned;
        }
        let open = met.absorbed || met.unspecified || met.divided_by_zero || met.overflowed;
        let otherwise = match open || self.differential && met.not_finite {
            true => Verdict::Convention,
            false => Verdict::Wrong,
        };
        if !expected.is_finite() {
            let same = same_kind(ours, expected);
            return if same { Verdict::NotFinite } else { otherwise };
        }
        let spread = samples
            .map(|sample| (sample - expected).abs())
            .fold(0.0, f64::max);
        if FACTOR * spread > 1e-4 * expected.abs().max(1e-3) {
            return Verdict::IllConditioned;
        }
        // Derivatives may be rounding errors whose noise cancels.
        let floor = if self.differential { 1e-14 } else { 1e-290 };
        if (ours - expected).abs() <= FACTOR * spread + 1e-10 * expected.abs() + floor {
            Verdict::Compared
        } else {
            otherwise
        }
    }
}

/// A random point: of moderate numbers, of multiples of a quarter, which have ties and zeros, or of any size.
fn point(random: &mut Random) -> Values {
    let style = random.below(10);
    let mut values = Values::new();
    for &(name, _, dim) in VARIABLES {
        let style = if style == 9 { random.below(9) } else { style };
        let mut number = || match style {
            0..4 => random.between(0.2, 0.9),
            4..6 => random.between(-3.0, 3.0),
            6..8 => random.below(17) as f64 / 4.0 - 2.0,
            _ => {
                let size = 10f64.powf(random.between(-6.0, 6.0));
                if random.one_in(2) { size } else { -size }
            }
        };
        values.insert(name.to_owned(), (0..dim).map(|_| number()).collect());
    }
    values
}

/// The point with noise, unless its numbers are such that what is computed from them may be exact.
fn moved(values: &Values, random: &mut Random) -> Values {
    let mut values = values.clone();
    for value in values.values_mut().flatten() {
        if (*value * 4.0).fract() != 0.0 {
            *value *= 1.0 + f64::EPSILON * random.between(-4.0, 4.0);
        }
    }
    values
}

fn inputs(values: &Values) -> Inputs {
    let mut inputs = Inputs::default();
    for &(name, category, _) in VARIABLES {
        let to = match category {
            Category::I => &mut inputs.i,
            Category::J => &mut inputs.j,
            Category::Param => &mut inputs.params,
        };
        to.extend(&values[name]);
    }
    inputs
}

fn is_construct(formula: &Expr) -> bool {
    called(formula).is_some_and(|name| differential::find(name).is_some())
}

/// A formula and all formulas in it.
fn parts(formula: &Expr) -> Vec<&Expr> {
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
