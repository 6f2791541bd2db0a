//! The accuracy of operations, measured through the macros on every instruction set, is what the operation table says.

use std::collections::BTreeMap;

use keops_compiler::ops;
use keops_solve::ndarray::Array2;
use keops_solve::{Error, InstructionSet, genred};
use rayon::prelude::*;

use functions::of_formula;
use twofold::Twofold;

mod functions;
mod twofold;

include!(concat!(env!("OUT_DIR"), "/accuracy.rs"));

/// One formula of the reference; see `tests/accuracy/reference.py`.
#[derive(Default)]
struct Table {
    formula: &'static str,
    x: Vec<f32>,
    y: Vec<f32>,
    value: Vec<f64>,
    /// What the rounding of the value lost, in units in its last place.
    lost: Vec<f64>,
}

fn tables() -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in include_str!("../../accuracy/reference.txt").lines() {
        if let Some(formula) = line.strip_prefix("= ") {
            tables.push(Table {
                formula,
                ..Table::default()
            });
            continue;
        }
        let table = tables.last_mut().expect("a formula before its values");
        let words: Vec<&str> = line.split(' ').collect();
        let (arguments, value) = words.split_at(words.len() - 2);
        let argument = |n: usize| {
            let bits = arguments.get(n)?;
            Some(f32::from_bits(
                u32::from_str_radix(bits, 16).expect("hexadecimal bits"),
            ))
        };
        table.x.extend(argument(0));
        table.y.push(argument(1).unwrap_or(1.0));
        let bits = u64::from_str_radix(value[0], 16).expect("hexadecimal bits");
        table.value.push(f64::from_bits(bits));
        table.lost.push(value[1].parse().expect("a number"));
    }
    tables
}

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
fn assert_below(said: f64, (error, at): (f64, f32), formula: &str, isa: InstructionSet) {
    println!("{formula} on {isa}: {error:.2} at {at:e}");
    assert!(
        error <= said,
        "{formula} on {isa}: {error} units in the last place at {at:e}, said {said}"
    );
}

/// The larger error, with the first argument where it occurs; NaN is larger than anything.
fn worse(a: (f64, f32), b: (f64, f32)) -> (f64, f32) {
    if b.0.is_nan() || b.0 > a.0 { b } else { a }
}

#[test]
fn operations_are_as_accurate_as_the_table_says() {
    let tables = tables();
    // For each operation the largest errors in `f32` and `f64`, in units in the last place.
    let mut largest: BTreeMap<&str, [(f64, f32); 2]> = BTreeMap::new();
    for (chunk, tables) in tables.chunks(TOGETHER).enumerate() {
        for (column, table) in tables.iter().enumerate() {
            let name = table.formula.split('(').next().expect("a name");
            let worst = largest.entry(name).or_default();
            let [x, y] =
                [&table.x, &table.y].map(|v| v.iter().copied().map(f64::from).collect::<Vec<_>>());
            for isa in InstructionSet::available() {
                let single = values_f32(chunk, &table.x, &table.y, isa).expect("values");
                let double = values_f64(chunk, &x, &y, isa).expect("values");
                let mut here = [(0.0, 0.0); 2];
                for (n, &value) in table.value.iter().enumerate() {
                    let unit = spacing_f64(value);
                    let error = f64::from(single[[n, column]]) - value;
                    here[0] = worse(here[0], (error.abs() / spacing_f32(value), table.x[n]));
                    let error = (double[[n, column]] - value) / unit - table.lost[n];
                    here[1] = worse(here[1], (error.abs(), table.x[n]));
                }
                let [(f32, at32), (f64, at64)] = here;
                println!(
                    "{:16} {isa:8} {f32:5.2} at {at32:e}, {f64:5.2} at {at64:e}",
                    table.formula
                );
                *worst = [worse(worst[0], here[0]), worse(worst[1], here[1])];
            }
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

/// The largest error of a kernel in single precision against double precision, in units in the last place of its values or of the number that is given, and the
/// point where it occurs.
macro_rules! worst_in_single_precision {
    ($kernel:expr, $x:expr, $isa:expr $(, $of:expr)?) => {{
        let wide = $x.mapv(f64::from);
        let double = $kernel.bind(&wide, &[0.0][..]).run().expect("values");
        let single = $kernel.bind(&$x, &[0.0f32][..]).instruction_set($isa).run();
        let single = single.expect("values");
        let mut worst = (0.0, 0.0);
        for ((&x, &single), &double) in $x.iter().zip(&single).zip(&double) {
            let of = [$($of,)? double][0];
            let error = (f64::from(single) - double).abs() / spacing_f32(of);
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
            worst = worse(worst, (error, x as f32));
        }
        worst
    }};
}

/// Every so many-th of the numbers, moved by less than the spacing of single precision so that they have digits beyond it, and the values of a formula there.
fn precise_values(formula: &str, x: &Array2<f32>, every: usize) -> (Array2<f64>, Vec<Twofold>) {
    // Angles are reduced with pi in three doubles.
    let bound = match formula {
        "Sin(x)" | "Cos(x)" => 1e9,
        _ => f64::INFINITY,
    };
    let x = x.iter().step_by(every).map(|&x| f64::from(x));
    let x: Vec<f64> = x.filter(|x| x.abs() < bound).collect();
    let x = Array2::from_shape_fn((x.len(), 1), |(i, _)| x[i] * (1.0 - 2e-8 / 3.0));
    let function = of_formula(formula);
    let points: Vec<f64> = x.iter().copied().collect();
    let values = points.into_par_iter().map(|x| function(x, 1.0)).collect();
    (x, values)
}

#[test]
fn numbers_of_two_doubles_agree_with_the_reference() {
    tables().par_iter().for_each(|table| {
        let function = of_formula(table.formula);
        for (n, &value) in table.value.iter().enumerate() {
            let ours = function(table.x[n].into(), table.y[n].into());
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
fn span(first: f64, last: f64) -> Vec<f32> {
    let point = |i: u32| {
        let share = f64::from(i) / 29_999.0;
        if first > 0.0 {
            first * (last / first).powf(share)
        } else {
            first + (last - first) * share
        }
    };
    (0..30_000).map(|i| point(i) as f32).collect()
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
    let tables = tables();
    let many = Array2::from_shape_fn((100_000, 1), |(i, _)| (3e-4 * (i as f32 + 40.0)).powi(2));
    macro_rules! check {
        ($($of_point:literal, $of_pair:literal;)*) => {$(
            let table = tables.iter().find(|table| table.formula == $of_point).expect("a table");
            let name = $of_point.split('(').next().expect("a name");
            let [single_units, double_units] = ops::find(name).and_then(|op| op.ulp).expect("errors");
            let x = Array2::from_shape_fn((table.x.len(), 1), |(i, _)| f64::from(table.x[i]));
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
    let sizes = Array2::from_shape_fn((100_000, 1), |(i, _)| 8e-4 * i as f32);
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
    let x = Array2::from_shape_fn((100_000, 1), |(i, _)| {
        10f64.powf(1.5 - i as f64 / 16_000.0) as f32
    });
    // Values that are near the largest number, but none that is.
    let large = Array2::from_shape_fn((1000, 1), |(i, _)| 1.5576 + i as f32 / 1000.0);
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

/// Coefficients of high orders are below the smallest number of the type.
#[test]
fn spherical_bessel_functions_are_accurate_beside_their_values_at_zero() {
    let x = Array2::from_shape_fn((1000, 1), |(i, _)| i as f32 / 32.0);
    let zero = Array2::zeros((1, 1));
    for isa in InstructionSet::available() {
        macro_rules! check {
            ($($formula:literal)*) => {$(
                let all = kernel!($formula);
                let at_zero = all.bind(&zero, &[0.0][..]).run().expect("values")[[0, 0]];
                let worst = worst_in_single_precision!(all, x, isa, at_zero);
                assert_below(10.0, worst, $formula, isa);
            )*};
        }
        check! {
            "SphericalBessel(x,1)+y"
            "SphericalBessel(x,8)+y"
            "SphericalBessel(x,16)+y"
            "SphericalBessel(x,24)+y"
            "SphericalBessel(x,32)+y"
        }
    }
}
