//! The accuracy of operations, measured through the macros on every instruction set, is what the operation table says.

use std::collections::BTreeMap;

use keops_compiler::ops;
use keops_solve::ndarray::Array2;
use keops_solve::{Error, InstructionSet, genred};
use rayon::prelude::*;

use functions::of_formula;
use tables::{Table, doubles, operation, singles};
use twofold::Twofold;

mod beside;
mod functions;
mod nearby;
mod tables;
mod twofold;

include!(concat!(env!("OUT_DIR"), "/accuracy.rs"));

/// The distance from a double to the next one away from zero.
fn spacing_f64(x: f64) -> f64 {
    f64::from_bits(x.abs().to_bits() + 1) - x.abs()
}

/// The distance from the float nearest to `x` to the next one away from zero.
fn spacing_f32(x: f64) -> f64 {
    let x = (x as f32).abs();
    f64::from(f32::from_bits(x.to_bits() + 1)) - f64::from(x)
}

/// Prints the largest error of a formula, in units in the last place, and fails if it is above what was said.
fn assert_below(said: f64, (error, at): (f64, f64), formula: &str, isa: InstructionSet) {
    println!("{formula} on {isa}: {error:.2} at {at:e}");
    assert!(
        error <= said,
        "{formula} on {isa}: {error} units in the last place at {at:e}, said {said}"
    );
}

/// The larger error, with the first argument where it occurs; NaN is larger than anything.
fn worse(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    if b.0.is_nan() || b.0 > a.0 { b } else { a }
}

/// The largest error of one column of `f32` against the values of a table.
fn error_f32(values: &Array2<f32>, column: usize, table: &Table) -> (f64, f64) {
    let mut worst = (0.0, 0.0);
    for (n, &value) in table.value.iter().enumerate() {
        let error = (f64::from(values[[n, column]]) - value).abs() / spacing_f32(value);
        worst = worse(worst, (error, table.x[n]));
    }
    worst
}

/// The largest error of one column of `f64` against the values of a table.
fn error_f64(values: &Array2<f64>, column: usize, table: &Table) -> (f64, f64) {
    let mut worst = (0.0, 0.0);
    for (n, &value) in table.value.iter().enumerate() {
        let error = (values[[n, column]] - value) / spacing_f64(value) - table.lost[n];
        worst = worse(worst, (error.abs(), table.x[n]));
    }
    worst
}

#[test]
fn operations_are_as_accurate_as_the_table_says() {
    let (singles, doubles) = (singles(), doubles());
    // For each operation the largest errors in `f32` and `f64`, in units in the last place.
    let mut largest: BTreeMap<&str, [(f64, f64); 2]> = BTreeMap::new();
    for isa in InstructionSet::available() {
        for (n, table) in singles.iter().enumerate() {
            let (chunk, column) = (n / TOGETHER, n % TOGETHER);
            let [x, y] = [&table.x, &table.y].map(|v| v.iter().map(|&x| x as f32).collect());
            let (x, y): (Vec<f32>, Vec<f32>) = (x, y);
            let single = values_f32(chunk, &x, &y, isa).expect("values");
            let double = values_f64(chunk, &table.x, &table.y, isa).expect("values");
            let [f32, f64] = [
                error_f32(&single, column, table),
                error_f64(&double, column, table),
            ];
            println!(
                "{:16} {isa:8} {:5.2} at {:e}, {:5.2} at {:e}",
                table.formula, f32.0, f32.1, f64.0, f64.1
            );
            let worst = largest.entry(operation(table.formula)).or_default();
            *worst = [worse(worst[0], f32), worse(worst[1], f64)];
        }
        for table in &doubles {
            let mut formulas = singles.iter().map(|single| single.formula);
            let n = formulas.position(|formula| formula == table.formula);
            let n = n.unwrap_or_else(|| panic!("{} has a kernel", table.formula));
            let double = values_f64(n / TOGETHER, &table.x, &table.y, isa).expect("values");
            let f64 = error_f64(&double, n % TOGETHER, table);
            println!(
                "f64 {:16} {isa:8} {:5.2} at {:e}",
                table.formula, f64.0, f64.1
            );
            let worst = largest.entry(operation(table.formula)).or_default();
            worst[1] = worse(worst[1], f64);
        }
    }
    for op in ops::all() {
        let measured = largest.remove(op.name);
        let (Some(said), Some(measured)) = (op.ulp, measured) else {
            assert!(
                op.ulp.is_none() && measured.is_none(),
                "{}: said {:?}, measured {measured:?}",
                op.name,
                op.ulp
            );
            continue;
        };
        for (said, (measured, at)) in said.into_iter().zip(measured) {
            println!("{}: {measured:.2} at {at:e}, said {said}", op.name);
            assert!(
                measured <= said,
                "{}: {measured} units in the last place at {at:e}, said {said}",
                op.name
            );
        }
    }
    assert!(largest.is_empty(), "{largest:?}");
}

/// The kernel of a formula in x and y.
macro_rules! kernel {
    ($formula:literal) => {
        genred!($formula, x = Vi(1), y = Vj(1), axis = 1)
    };
}

/// The largest error of a kernel in single precision against double precision, in units in the last place of its values, at the floats nearest to some numbers, and
/// the point where it occurs.
macro_rules! worst_in_single_precision {
    ($kernel:expr, $x:expr, $isa:expr) => {{
        let x = $x.mapv(|x| x as f32);
        let wide = x.mapv(f64::from);
        let double = $kernel.bind(&wide, &[0.0][..]).run().expect("values");
        let single = $kernel.bind(&x, &[0.0f32][..]).instruction_set($isa).run();
        let single = single.expect("values");
        let mut worst = (0.0, 0.0);
        for ((&x, &single), &double) in wide.iter().zip(&single).zip(&double) {
            let error = (f64::from(single) - double).abs() / spacing_f32(double);
            worst = worse(worst, (error, x));
        }
        worst
    }};
}

/// The largest error of a kernel in double precision against numbers of two doubles, likewise.
macro_rules! worst_in_double_precision {
    ($kernel:expr, $x:expr, $values:expr, $isa:expr) => {{
        let double = $kernel.bind(&$x, &[0.0][..]).instruction_set($isa).run();
        let mut worst = (0.0, 0.0);
        for ((&x, &double), value) in $x.iter().zip(&double.expect("values")).zip(&$values) {
            let error = ((double - value.hi) - value.lo).abs() / spacing_f64(value.hi);
            worst = worse(worst, (error, x));
        }
        worst
    }};
}

/// Every so many-th of the numbers, which have all digits of a double, and the values of a formula there.
fn precise_values(formula: &str, x: &Array2<f64>, every: usize) -> (Array2<f64>, Vec<Twofold>) {
    // Angles are reduced with pi in three doubles.
    let bound = match formula {
        "Sin(x)" | "Cos(x)" => 1e9,
        _ => f64::INFINITY,
    };
    let x = x.iter().copied().step_by(every);
    let points: Vec<f64> = x.filter(|x| x.abs() < bound).collect();
    let x = Array2::from_shape_fn((points.len(), 1), |(i, _)| points[i]);
    let function = of_formula(formula);
    let values = points.into_par_iter().map(|x| function(x, 1.0)).collect();
    (x, values)
}

#[test]
fn numbers_of_two_doubles_agree_with_the_reference() {
    singles().par_iter().for_each(|table| {
        let function = of_formula(table.formula);
        for (n, &value) in table.value.iter().enumerate() {
            let ours = function(table.x[n], table.y[n]);
            let difference = ((ours.hi - value) + ours.lo) / spacing_f64(value) - table.lost[n];
            assert!(
                difference.abs() < 1e-3,
                "{} at {:e}: {difference} units in the last place",
                table.formula,
                table.x[n]
            );
        }
    });
}

/// Many points between two, in equal steps or, where both are positive, in equal ratios.
fn span(first: f64, last: f64) -> Vec<f64> {
    let point = |i: u32| {
        let share = f64::from(i) / 29_999.0;
        if first > 0.0 {
            first * (last / first).powf(share)
        } else {
            first + (last - first) * share
        }
    };
    (0..30_000).map(point).collect()
}

/// The reference has some hundred points for each function; here are 30 000, of which the worst are not far from the worst of all: all of them in single precision
/// against double precision, and every third in double precision against numbers of two doubles.
#[test]
fn functions_are_as_accurate_on_many_points() {
    macro_rules! check {
        ($($formula:literal $(from $first:literal to $last:literal),+;)*) => {$({
            let name = $formula.split('(').next().expect("a name");
            let [units, double_units] = ops::find(name).and_then(|op| op.ulp).expect("errors");
            let spans = [$(span($first, $last)),+].concat();
            let x = Array2::from_shape_vec((spans.len(), 1), spans).expect("a column");
            let all = kernel!($formula);
            let (precise, values) = precise_values($formula, &x, 3);
            for isa in InstructionSet::available() {
                let worst = worst_in_single_precision!(all, x, isa);
                assert_below(units, worst, $formula, isa);
                let worst = worst_in_double_precision!(all, precise, values, isa);
                assert_below(double_units, worst, concat!("f64 ", $formula), isa);
            }
        })*};
    }
    check! {
        "Inv(x)" from 1e-30 to 1e30;
        "Sqrt(x)" from 1e-30 to 1e30;
        "Rsqrt(x)" from 1e-30 to 1e30;
        "Powf(x,2.5)" from 1e-12 to 1e12;
        "Powf(x,3.0)" from 1e-12 to 1e12;
        "Powf(x,-3.0)" from 1e-12 to 1e12;
        "Powf(x,7.0)" from 1e-5 to 1e5;
        "Powf(x,33.0)" from 0.1 to 10.0;
        "Powf(x,-60.0)" from 0.3 to 3.0;
        "Exp(x)" from -87.0 to 88.0;
        "Exp2(x)" from -125.9 to 127.9;
        "Expm1(x)" from -20.0 to 88.0, from 1e-8 to 10.0;
        "Log(x)" from 1e-37 to 1e38, from 0.5 to 2.0;
        "Log1p(x)" from 1e-8 to 1e8, from -0.99 to 0.0;
        "XLogX(x)" from 1e-30 to 1e30;
        "Sin(x)" from -100.0 to 100.0, from 1e-5 to 1e30;
        "Cos(x)" from -100.0 to 100.0, from 1e-5 to 1e30;
        "SinXDivX(x)" from 1e-4 to 1e4;
        "Asin(x)" from -1.0 to 1.0;
        "Acos(x)" from -1.0 to 1.0;
        "Atan(x)" from 1e-5 to 1e5;
        "Sinh(x)" from 1e-4 to 88.0;
        "Cosh(x)" from -88.0 to 88.0;
        "Tanh(x)" from 1e-5 to 20.0;
        "Sigmoid(x)" from -80.0 to 20.0;
        "Softplus(x)" from -80.0 to 80.0, from -5.0 to 5.0;
        "Erf(x)" from 1e-5 to 5.0;
        "LGamma(x)" from 1e-6 to 1e6, from 0.5 to 3.0;
        "Polygamma(x,0)" from 1e-6 to 1e6, from 1.5 to 3.0;
    }
}

/// Functions of a pair are simplified in other ways than those of a point: products with factors of points are taken apart, and exponentials get other bases.
#[test]
fn functions_of_pairs_are_as_accurate_as_those_of_points() {
    let tables = singles();
    let many = Array2::from_shape_fn((100_000, 1), |(i, _)| (3e-4 * (i as f64 + 40.3)).powi(2));
    macro_rules! check {
        ($($of_point:literal, $of_pair:literal;)*) => {$(
            let table = tables.iter().find(|table| table.formula == $of_point).expect("a table");
            let name = $of_point.split('(').next().expect("a name");
            let [single_units, double_units] = ops::find(name).and_then(|op| op.ulp).expect("errors");
            let x = Array2::from_shape_fn((table.x.len(), 1), |(i, _)| table.x[i]);
            let all = kernel!($of_pair);
            let (precise, values) = precise_values($of_point, &many, 50);
            for isa in InstructionSet::available() {
                let out = all.bind(&x, &[0.0][..]).instruction_set(isa).run().expect("values");
                for (n, (&out, &value)) in out.iter().zip(&table.value).enumerate() {
                    let error = ((out - value) / spacing_f64(value) - table.lost[n]).abs();
                    assert!(error <= double_units, "{} on {isa}: {error} units in the last place at {:e}", $of_pair, x[[n, 0]]);
                }
                let worst = worst_in_single_precision!(all, many, isa);
                assert_below(single_units, worst, $of_pair, isa);
                let worst = worst_in_double_precision!(all, precise, values, isa);
                assert_below(double_units, worst, concat!("f64 ", $of_pair), isa);
            }
        )*};
    }
    check! {
        "Matern(x,0.5)", "Matern(x+y,0.5)";
        "Matern(x,1.5)", "Matern(x+y,1.5)";
        "Matern(x,2.5)", "Matern(x+y,2.5)";
        "Matern(x,0.73)", "Matern(x+y,0.73)";
        "Matern(x,3.5)", "Matern(x+y,3.5)";
        "Polygamma(x,1)", "Polygamma(x+y,1)";
        "Polygamma(x,5)", "Polygamma(x+y,5)";
    }
    let sizes = Array2::from_shape_fn((100_000, 1), |(i, _)| 8e-4 * i as f64);
    let [units, _] = ops::find("Exp").and_then(|op| op.ulp).expect("errors");
    let all = kernel!("Exp(-Abs(x+y))");
    for isa in InstructionSet::available() {
        let worst = worst_in_single_precision!(all, sizes, isa);
        assert_below(units, worst, "e^-x", isa);
    }
}

/// The few points of the reference do not meet the worst of them.
#[test]
fn bessel_functions_are_as_accurate_on_many_points() {
    let x = Array2::from_shape_fn((100_000, 1), |(i, _)| 10f64.powf(1.5 - i as f64 / 16_000.0));
    // Values that are near the largest number, but none that is.
    let large = Array2::from_shape_fn((1000, 1), |(i, _)| 1.5576 + i as f64 / 1000.0);
    macro_rules! check {
        ($($formula:literal, $x:ident;)*) => {$({
            let name = $formula.split('(').next().expect("a name");
            let [units, double_units] = ops::find(name).and_then(|op| op.ulp).expect("errors");
            let all = kernel!($formula);
            let (precise, values) = precise_values($formula, &$x, 30);
            for isa in InstructionSet::available() {
                let worst = worst_in_single_precision!(all, $x, isa);
                assert_below(units, worst, $formula, isa);
                let worst = worst_in_double_precision!(all, precise, values, isa);
                assert_below(double_units, worst, concat!("f64 ", $formula), isa);
            }
        })*};
    }
    check! {
        "BesselK(x,0.01)+y", x;
        "BesselK(x,0.09)+y", x;
        "BesselK(x,0.12)+y", x;
        "BesselK(x,0.2)+y", x;
        "BesselK(x,0.9)+y", x;
        "BesselK(x,1.3)+y", x;
        "BesselK(x,1.5)+y", x;
        "BesselK(x,1.9)+y", x;
        "BesselK(x,2.2)+y", x;
        "BesselK(x,3.1)+y", x;
        "BesselK(x,31.7)+y", large;
        "MaternFamily(x,-0.1)+y", x;
        "MaternFamily(x,-0.2)+y", x;
        "MaternFamily(x,-0.3)+y", x;
        "MaternFamily(x,-1.5)+y", x;
    }
}
