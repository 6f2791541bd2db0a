//! What has two arguments or a parameter at many points, which lie near those of the reference and have all digits of a double.

use keops_solve::InstructionSet;
use keops_solve::ndarray::Array2;
use rayon::prelude::*;

use super::functions::of_formula;
use super::tables::{Table, operation, singles};
use super::{assert_below, place, said, spacing_f32, spacing_f64, values_f32, values_f64, worse};

/// Operations that no other test has at many points. `Round` is not among them: near halves it may go to either side.
const OPERATIONS: [&str; 11] = [
    "Divide",
    "Hypot",
    "Powf",
    "Atan2",
    "Pow",
    "Norm2",
    "Normalize",
    "ComplexAbs",
    "ComplexAngle",
    "ComplexExp",
    "ComplexExp1j",
];

/// How many points lie near one of the reference.
const EACH: u32 = 100;

/// Each number and many that differ from it by up to a twentieth, in another order for another `seed`.
fn near(numbers: &[f64], seed: f64) -> Vec<f64> {
    let numbers = numbers.iter().flat_map(|&x| (0..EACH).map(move |k| (x, k)));
    let moved = numbers.map(|(x, k)| x * (1.0 + 0.05 * (f64::from(k) * seed).sin()));
    moved.collect()
}

fn in_f32(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&x| x as f32).collect()
}

/// Holds a table to what is said of its operation, at points with the values `exact`, of two doubles each.
fn measure(table: &Table, isa: InstructionSet, exact: &[(f64, f64)], points: [&[f64]; 2]) {
    let (chunk, column) = place(table.formula).expect("a kernel");
    let [units, double_units] = said(table.formula);
    let [x, y] = points;
    let double: Array2<f64> = values_f64(chunk, x, y, isa).expect("values");
    let mut worst = (0.0, 0.0);
    for (i, &(hi, lo)) in exact.iter().enumerate() {
        let error = ((double[[i, column]] - hi) - lo).abs() / spacing_f64(hi);
        worst = worse(worst, (error, x[i]));
    }
    assert_below(double_units, worst, &format!("f64 {}", table.formula), isa);

    let [x, y] = points.map(in_f32);
    let [wide_x, wide_y] = [&x, &y].map(|v| v.iter().copied().map(f64::from).collect::<Vec<_>>());
    let double = values_f64(chunk, &wide_x, &wide_y, isa).expect("values");
    let single = values_f32(chunk, &x, &y, isa).expect("values");
    let mut worst = (0.0, 0.0);
    for (i, &x) in wide_x.iter().enumerate() {
        let exact = double[[i, column]];
        let error = (f64::from(single[[i, column]]) - exact).abs() / spacing_f32(exact);
        worst = worse(worst, (error, x));
    }
    assert_below(units, worst, table.formula, isa);
}

#[test]
fn operations_are_as_accurate_near_the_points_of_the_reference() {
    for table in &singles() {
        if !OPERATIONS.contains(&operation(table.formula)) {
            continue;
        }
        let (x, y) = (near(&table.x, 1.7), near(&table.y, 2.3));
        let function = of_formula(table.formula);
        let points = x.par_iter().zip(&y);
        let exact: Vec<(f64, f64)> = points
            .map(|(&x, &y)| {
                let value = function(x, y);
                (value.hi, value.lo)
            })
            .collect();
        for isa in InstructionSet::available() {
            measure(table, isa, &exact, [&x, &y]);
        }
    }
}
