//! Random formulas: what the compiler makes of them against their values by definition.
//!
//! [`reference`] evaluates a formula without the compiler: [`operations`] as they are defined in mathematics, derivatives by
//! arithmetic on [numbers](number) that carry them. It is compared with the compiled formula, as a whole and split into stages, at
//! random points: wide ones, zeros and ties among them. How close they have to be is found by evaluating the reference with
//! [noise]. `KEOPS_FUZZ_CASES=1000000` runs longer than the default, `KEOPS_FUZZ_SEED` chooses other formulas.

mod compare;
mod constructs;
mod functions;
mod generate;
mod kernels;
mod noise;
mod number;
mod operations;
mod random;
mod reference;
mod special;
mod tally;
mod tensors;
mod tree;

use compare::Trial;
use generate::Generator;
use keops_compiler::{differential, ops};
use random::Random;
use tally::{Coverage, Tally};

/// The number of points at which each formula is tried.
const POINTS: usize = 3;

#[test]
fn the_reference_knows_every_operation() {
    for op in ops::all() {
        assert!(
            operations::find(op.name).is_some(),
            "{} has no reference",
            op.name
        );
    }
    for construct in differential::all() {
        assert!(
            reference::knows(construct.name),
            "{} has no reference",
            construct.name
        );
    }
}

#[test]
fn random_formulas() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let cases = number("KEOPS_FUZZ_CASES", 6000);
    let mut random = Random(number("KEOPS_FUZZ_SEED", 1));
    let (mut tally, mut coverage) = (Tally::default(), Coverage::default());
    let mut disagreements = Vec::new();
    while tally.formulas < cases {
        let height = 2 + random.below(5);
        let order = *random.pick(&[0, 1, 2, 3, 3]);
        let formula = Generator::new(&mut random).formula(height, order);
        let Some(trial) = Trial::new(formula) else {
            tally.rejected += 1;
            continue;
        };
        tally.formulas += 1;
        let mut compared = false;
        for _ in 0..POINTS {
            match trial.run(&mut random, &mut tally) {
                Ok(numbers) => compared |= numbers,
                Err(disagreement) => {
                    disagreements.push(disagreement);
                    break;
                }
            }
        }
        if compared {
            coverage.add(&trial.formula);
        }
    }
    println!("{tally}\n{coverage}");
    assert!(
        disagreements.is_empty(),
        "{} disagree:\n{}",
        disagreements.len(),
        disagreements[..disagreements.len().min(20)].join("\n")
    );
    tally.assert_worth();
    coverage.assert_at_least(cases / 1000);
}
