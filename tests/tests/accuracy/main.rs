//! The accuracy of operations, measured through the macros on every instruction set, is what the operation table says.

use std::collections::BTreeMap;

use keops_compiler::ops;
use keops_solve::ndarray::{Array2, s};
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

/// The kernel and the column that have the values of a formula of the reference, if any.
fn place(formula: &str) -> Option<(usize, usize)> {
    let n = FORMULAS.iter().position(|&known| known == formula)?;
    Some((n / TOGETHER, n % TOGETHER))
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
        for table in &singles {
            let Some((chunk, column)) = place(table.formula) else {
                continue;
            };
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
            let (chunk, column) = place(table.formula).expect("a kernel");
            let double = values_f64(chunk, &table.x, &table.y, isa).expect("values");
            let f64 = error_f64(&double, column, table);
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

/// A formula of x at many points, in either precision.
struct Kernel<F32, F64> {
    single: F32,
    double: F64,
}

/// The kernel of a formula in x and y, where y is 0.
macro_rules! kernel {
    ($formula:literal) => {{
        let kernel = genred!($formula, x = Vi(1), y = Vj(1), axis = 1);
        Kernel {
            single: move |x: &[f32], isa| kernel.bind(x, &[0.0][..]).instruction_set(isa).run(),
            double: move |x: &[f64], isa| kernel.bind(x, &[0.0][..]).instruction_set(isa).run(),
        }
    }};
}

/// The kernel of a formula of the reference.
fn of_reference(
    formula: &str,
) -> Kernel<
    impl Fn(&[f32], InstructionSet) -> Result<Array2<f32>, Error>,
    impl Fn(&[f64], InstructionSet) -> Result<Array2<f64>, Error>,
> {
    let (chunk, column) = place(formula).expect("a kernel");
    Kernel {
        single: move |x: &[f32], isa| {
            let values = values_f32(chunk, x, &vec![1.0; x.len()], isa)?;
            Ok(values.slice_move(s![.., column..=column]))
        },
        double: move |x: &[f64], isa| {
            let values = values_f64(chunk, x, &vec![1.0; x.len()], isa)?;
            Ok(values.slice_move(s![.., column..=column]))
        },
    }
}

impl<F32, F64> Kernel<F32, F64>
where
    F32: Fn(&[f32], InstructionSet) -> Result<Array2<f32>, Error>,
    F64: Fn(&[f64], InstructionSet) -> Result<Array2<f64>, Error>,
{
    /// The largest error in single precision against double precision, in units in the last place of the values, at the floats nearest to some numbers, and the point where it
    /// occurs.
    fn worst_in_single_precision(&self, x: &[f64], isa: InstructionSet) -> (f64, f64) {
        let x: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        let wide: Vec<f64> = x.iter().copied().map(f64::from).collect();
        let double = (self.double)(&wide, isa).expect("values");
        let single = (self.single)(&x, isa).expect("values");
        let mut worst = (0.0, 0.0);
        for ((&x, &single), &double) in wide.iter().zip(&single).zip(&double) {
            let error = (f64::from(single) - double).abs() / spacing_f32(double);
            worst = worse(worst, (error, x));
        }
        worst
    }

    /// The largest error in double precision against numbers of two doubles, likewise.
    fn worst_in_double_precision(
        &self,
        x: &[f64],
        values: &[Twofold],
        isa: InstructionSet,
    ) -> (f64, f64) {
        let double = (self.double)(x, isa).expect("values");
        let mut worst = (0.0, 0.0);
        for ((&x, &double), value) in x.iter().zip(&double).zip(values) {
            let error = ((double - value.hi) - value.lo).abs() / spacing_f64(value.hi);
            worst = worse(worst, (error, x));
        }
        worst
    }

    /// Fails where an operation has a larger error than the table says, at some points, of which every so many-th is measured in double precision.
    fn assert_accurate(&self, formula: &str, x: &[f64], every: usize) {
        let [units, double_units] = said(formula);
        let (precise, values) = precise_values(formula, x, every);
        for isa in InstructionSet::available() {
            let worst = self.worst_in_single_precision(x, isa);
            assert_below(units, worst, formula, isa);
            let worst = self.worst_in_double_precision(&precise, &values, isa);
            assert_below(double_units, worst, &format!("f64 {formula}"), isa);
        }
    }
}

/// The errors that the table says of the operation of a formula, in single and in double precision.
fn said(formula: &str) -> [f64; 2] {
    let op = ops::find(operation(formula)).and_then(|op| op.ulp);
    op.unwrap_or_else(|| panic!("{formula} has errors"))
}

/// Every so many-th of some numbers, which have all digits of a double, and the values of a formula there.
fn precise_values(formula: &str, x: &[f64], every: usize) -> (Vec<f64>, Vec<Twofold>) {
    // Angles are reduced with pi in three doubles.
    let bound = match formula {
        "Sin(x)" | "Cos(x)" => 1e9,
        _ => f64::INFINITY,
    };
    let x = x.iter().copied().step_by(every);
    let points: Vec<f64> = x.filter(|x| x.abs() < bound).collect();
    let function = of_formula(formula);
    let values = points.par_iter().map(|&x| function(x, 1.0)).collect();
    (points, values)
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
    // Powers that the compiler takes apart are not those of the reference, which have an exponent for each point.
    macro_rules! powers {
        ($($formula:literal from $first:literal to $last:literal;)*) => {$(
            kernel!($formula).assert_accurate($formula, &span($first, $last), 3);
        )*};
    }
    powers! {
        "Powf(x,2.5)" from 1e-12 to 1e12;
        "Powf(x,3.0)" from 1e-12 to 1e12;
        "Powf(x,-3.0)" from 1e-12 to 1e12;
        "Powf(x,7.0)" from 1e-5 to 1e5;
        "Powf(x,33.0)" from 0.1 to 10.0;
        "Powf(x,-60.0)" from 0.3 to 3.0;
    }
    for (formula, spans) in [
        ("Inv(x)", &[(1e-30, 1e30)][..]),
        ("Sqrt(x)", &[(1e-30, 1e30)]),
        ("Rsqrt(x)", &[(1e-30, 1e30)]),
        ("Exp(x)", &[(-87.0, 88.0)]),
        ("Exp2(x)", &[(-125.9, 127.9)]),
        ("Expm1(x)", &[(-20.0, 88.0), (1e-8, 10.0)]),
        ("Log(x)", &[(1e-37, 1e38), (0.5, 2.0)]),
        ("Log1p(x)", &[(1e-8, 1e8), (-0.99, 0.0)]),
        ("XLogX(x)", &[(1e-30, 1e30)]),
        ("Sin(x)", &[(-100.0, 100.0), (1e-5, 1e30)]),
        ("Cos(x)", &[(-100.0, 100.0), (1e-5, 1e30)]),
        ("SinXDivX(x)", &[(1e-4, 1e4)]),
        ("Asin(x)", &[(-1.0, 1.0)]),
        ("Acos(x)", &[(-1.0, 1.0)]),
        ("Atan(x)", &[(1e-5, 1e5)]),
        ("Sinh(x)", &[(1e-4, 88.0)]),
        ("Cosh(x)", &[(-88.0, 88.0)]),
        ("Tanh(x)", &[(1e-5, 20.0)]),
        ("Sigmoid(x)", &[(-80.0, 20.0)]),
        ("Softplus(x)", &[(-80.0, 80.0), (-5.0, 5.0)]),
        ("Erf(x)", &[(1e-5, 5.0)]),
        ("LGamma(x)", &[(1e-6, 1e6), (0.5, 3.0)]),
        ("Polygamma(x,0)", &[(1e-6, 1e6), (1.5, 3.0)]),
    ] {
        let x: Vec<f64> = spans
            .iter()
            .flat_map(|&(first, last)| span(first, last))
            .collect();
        of_reference(formula).assert_accurate(formula, &x, 3);
    }
}

/// Functions of a pair are simplified in other ways than those of a point: products with factors of points are taken apart, and exponentials get other bases.
#[test]
fn functions_of_pairs_are_as_accurate_as_those_of_points() {
    let tables = singles();
    let many: Vec<f64> = (0..100_000)
        .map(|i| (3e-4 * (f64::from(i) + 40.3)).powi(2))
        .collect();
    macro_rules! check {
        ($($of_point:literal, $of_pair:literal;)*) => {$(
            let table = tables.iter().find(|table| table.formula == $of_point).expect("a table");
            let [_, units] = said($of_point);
            let kernel = kernel!($of_pair);
            for isa in InstructionSet::available() {
                let error = error_f64(&(kernel.double)(&table.x, isa).expect("values"), 0, table);
                assert_below(units, error, concat!("f64 ", $of_pair), isa);
            }
            kernel.assert_accurate($of_point, &many, 50);
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
    let sizes: Vec<f64> = (0..100_000).map(|i| 8e-4 * f64::from(i)).collect();
    let [units, _] = said("Exp(x)");
    let kernel = kernel!("Exp(-Abs(x+y))");
    for isa in InstructionSet::available() {
        let worst = kernel.worst_in_single_precision(&sizes, isa);
        assert_below(units, worst, "e^-x", isa);
    }
}

/// The few points of the reference do not meet the worst of them.
#[test]
fn bessel_functions_are_as_accurate_on_many_points() {
    let x: Vec<f64> = (0..100_000)
        .map(|i| 10f64.powf(1.5 - f64::from(i) / 16_000.0))
        .collect();
    // Values that are near the largest number, but none that is.
    let large: Vec<f64> = (0..1000).map(|i| 1.5576 + f64::from(i) / 1000.0).collect();
    macro_rules! check {
        ($($formula:literal, $x:ident;)*) => {$(
            kernel!($formula).assert_accurate($formula, &$x, 30);
        )*};
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
