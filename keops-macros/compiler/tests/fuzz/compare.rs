//! A formula's values from the compiler and from the reference, and what may be between them.

use keops_compiler::Formula;
use keops_compiler::alias::Category;
use keops_compiler::ast::{Expr, ExprKind};
use keops_compiler::scalar::{Graph, Inputs, interpret};
use keops_compiler::stages::Program;

use crate::generate::{VARIABLES, aliases};
use crate::noise::{Met, observe};
use crate::random::Random;
use crate::reference::{Values, evaluate};
use crate::tally::Tally;
use crate::tree::{is_construct, parts};

/// The largest dimension and the largest number of instructions of a formula that is tried.
const LARGEST: (usize, usize) = (64, 20_000);

/// Evaluations with noise at each point.
const SAMPLES: usize = 3;

/// Further ones where something disagrees.
const SAMPLES_OF_DOUBT: usize = 60;

/// How often further than from one noisy evaluation to another the compiled formula may be from the reference.
const FACTOR: f64 = 64.0;

/// The least difference that matters, relative to a value: some units in the last place of long formulas.
const ROUNDINGS: f64 = 1e-12;

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

    /// The cost of the formula in instructions.
    pub(crate) fn cost(&self) -> usize {
        self.graph.cost()
    }

    /// Compares at a random point, and says whether numbers were compared; the error says what disagrees.
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
        let mut expectation = Expectation::new(&self.formula, values, random);
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
pub(crate) struct Expectation {
    components: Vec<f64>,
    /// The same with noise, several times.
    samples: Vec<Vec<f64>>,
    met: Met,
    /// Whether derivatives are taken.
    differential: bool,
}

impl Expectation {
    pub(crate) fn new(formula: &Expr, values: &Values, random: &mut Random) -> Expectation {
        let (components, met) = observe(None, || evaluate(formula, values));
        let mut expectation = Expectation {
            components,
            samples: Vec::new(),
            met,
            differential: parts(formula).into_iter().any(is_construct),
        };
        expectation.sample(formula, values, random, SAMPLES);
        expectation
    }

    /// Each component and by how much others may differ from it; `None` if it is ill-conditioned, infinite, NaN or left open.
    pub(crate) fn bounded(&self) -> impl Iterator<Item = Option<[f64; 2]>> {
        let components = self.components.iter().enumerate();
        components.map(|(k, &expected)| {
            let bound = self.bound(k).filter(|_| !self.is_open())?;
            expected.is_finite().then_some([expected, bound])
        })
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

    /// Whether documentation lets others be anything else.
    fn is_open(&self) -> bool {
        let met = self.met;
        met.absorbed
            || met.unspecified
            || met.divided_by_zero
            || met.overflowed
            || self.differential && met.not_finite
    }

    /// By how much others may differ in a component; `None` if it depends on roundings too much.
    fn bound(&self, k: usize) -> Option<f64> {
        let expected = self.components[k];
        let samples = self.samples.iter().map(|sample| sample[k]);
        if !samples.clone().all(|sample| same_kind(sample, expected)) {
            return None;
        }
        if !expected.is_finite() {
            return Some(0.0);
        }
        let distances = samples.map(|sample| (sample - expected).abs());
        let spread = FACTOR * distances.fold(0.0, f64::max);
        // Derivatives may be rounding errors whose noise cancels.
        let floor = if self.differential { 1e-14 } else { 1e-290 };
        let bound = spread + ROUNDINGS * expected.abs() + floor;
        (spread <= 1e-4 * expected.abs().max(1e-3)).then_some(bound)
    }

    fn verdict(&self, k: usize, ours: f64) -> Verdict {
        let expected = self.components[k];
        let Some(bound) = self.bound(k) else {
            return Verdict::IllConditioned;
        };
        if !expected.is_finite() && same_kind(ours, expected) {
            Verdict::NotFinite
        } else if (ours - expected).abs() <= bound {
            Verdict::Compared
        } else if self.is_open() {
            Verdict::Convention
        } else {
            Verdict::Wrong
        }
    }
}

/// Whether both are finite, NaN, or the same infinity.
fn same_kind(x: f64, y: f64) -> bool {
    x.is_finite() && y.is_finite() || x == y || x.is_nan() && y.is_nan()
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
