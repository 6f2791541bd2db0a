//! More rows than a block has and more columns than a tile, products with vectors, and all ways of adding, against the interpreter of the
//! compiler, which shares nothing with the emitted code.

use keops_compiler::alias::{Alias, Category};
use keops_compiler::scalar::Inputs;
use keops_solve::__private::cuda::layout::Layout;
use keops_solve::__private::cuda::recipe::{Adding, Outcome as Made, Reduction, Scheme, Type};
use keops_tests::data::points;

use crate::host::{Job, Launch, Outcome, compiler, run};
use keops_tests::compiled::{Arrays, Compiled, blocks};

/// More than two blocks of rows, and more than a tile of columns, not full.
const ROWS: usize = 1100;
const COLUMNS: usize = 300;

fn gaussian(axis: usize) -> Compiled {
    let alias = |name: &str, category, dim| Alias {
        name: name.into(),
        category,
        dim,
    };
    let aliases = [
        alias("x", Category::I, 3),
        alias("y", Category::J, 3),
        alias("g", Category::Param, 1),
    ];
    Compiled::new("Exp(-g*SqDist(x,y))", None, &aliases, axis)
}

/// `g` of the formula.
const G: f64 = 1.5;

fn job(name: &str, compiled: Compiled, reduction: Reduction, t: Type) -> Job {
    let weights = compiled.weights;
    let launches = [1 << 40, 100].map(|part| Launch {
        arrays: Arrays {
            params: vec![G],
            rows: points(ROWS, 3, 1).into_raw_vec_and_offset().0,
            columns: points(COLUMNS, 3, 2).into_raw_vec_and_offset().0,
            row_count: ROWS,
            column_count: COLUMNS,
        },
        weights: points(COLUMNS, weights, 3).into_raw_vec_and_offset().0,
        part,
        wanted: if reduction == Reduction::Smallest {
            5
        } else {
            1
        },
    });
    Job {
        name: format!("{name} in {t:?}"),
        compiled,
        reduction,
        t,
        launches: launches.into(),
    }
}

/// The values of the formula, row by row, in double precision, of data rounded to the type. They are the same for both axes.
fn kernel(t: Type) -> Vec<Vec<f64>> {
    let held = |x: &f64| match t {
        Type::Single => f64::from(*x as f32),
        Type::Double => *x,
    };
    let (x, y) = (points(ROWS, 3, 1), points(COLUMNS, 3, 2));
    let program = gaussian(1).program;
    let value = |i: usize, j: usize| {
        let inputs = Inputs {
            params: vec![G],
            i: x.row(i).iter().map(held).collect(),
            j: y.row(j).iter().map(held).collect(),
        };
        program.interpret(&inputs)[0]
    };
    (0..ROWS)
        .map(|i| (0..COLUMNS).map(|j| value(i, j)).collect())
        .collect()
}

/// What a reduction of these values is; the smallest are the first five.
fn expected(values: &[f64], weights: &[f64], job: &Job) -> Vec<f64> {
    let vectors = job.compiled.weights;
    let sum: f64 = values.iter().sum();
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match job.reduction {
        Reduction::Sum(_) if vectors > 0 => (0..vectors)
            .map(|w| {
                values
                    .iter()
                    .enumerate()
                    .map(|(j, k)| k * weights[j * vectors + w])
                    .sum()
            })
            .collect(),
        Reduction::Sum(_) | Reduction::Mirrored(_) => vec![sum],
        Reduction::LogSumExp(..) => vec![values.iter().map(|x| x.exp()).sum::<f64>().ln()],
        Reduction::Extreme { greatest: true, .. } => vec![sorted[COLUMNS - 1]],
        Reduction::Extreme { .. } => vec![sorted[0]],
        Reduction::Smallest => sorted[..5].to_vec(),
    }
}

fn check(job: &Job, values: &[Vec<f64>], outcome: &Outcome, what: &str) {
    let weights = points(COLUMNS, job.compiled.weights, 3)
        .into_raw_vec_and_offset()
        .0;
    let rows = outcome.values.len() / ROWS;
    // Of a sum of some hundred terms of at most 1; in single precision of blocks of 256.
    let tolerance = match job.t {
        Type::Single => 2e-5,
        Type::Double => 1e-13,
    };
    for (i, (found, values)) in outcome.values.chunks(rows).zip(values).enumerate() {
        let expected = expected(values, &weights, job);
        let scale = expected.iter().fold(1.0, |a: f64, x| a.max(x.abs()));
        for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let difference = (found - expected).abs();
            assert!(
                difference <= tolerance * scale,
                "{what}: row {i}: {found}, expected {expected}"
            );
            // An index is that of a value as good.
            if job.reduction.finds_columns() {
                let at = outcome.indices[i * rows + n] as usize;
                assert!(
                    (values[at] - expected).abs() <= tolerance,
                    "{what}: row {i}, column {at}"
                );
            }
        }
    }
}

#[test]
fn large_reductions_agree_with_the_interpreter() {
    let Some(compiler) = compiler() else {
        return;
    };
    let mut jobs = Vec::new();
    for t in [Type::Single, Type::Double] {
        for scheme in [Scheme::Blocks, Scheme::Terms, Scheme::Compensated] {
            for accumulator in [Type::Single, Type::Double] {
                if t == Type::Double && accumulator == Type::Single {
                    continue;
                }
                let adding = Adding {
                    scheme,
                    accumulator,
                };
                let name = format!("sum, {scheme:?} in {accumulator:?}");
                jobs.push(job(&name, gaussian(1), Reduction::Sum(adding), t));
                let exponentials = Reduction::LogSumExp(adding, Made::Logarithms);
                let name = format!("logsumexp, {scheme:?} in {accumulator:?}");
                jobs.push(job(&name, gaussian(1), exponentials, t));
            }
        }
        for axis in [0, 1] {
            for vectors in [1, 3] {
                let product = gaussian(axis).times(vectors);
                let name = format!("product with {vectors}, axis {axis}");
                jobs.push(job(&name, product, Reduction::Sum(blocks(t)), t));
            }
        }
        for (greatest, indexed) in [(false, false), (true, true)] {
            let extreme = Reduction::Extreme { greatest, indexed };
            jobs.push(job("extreme", gaussian(1), extreme, t));
        }
        jobs.push(job("smallest", gaussian(1), Reduction::Smallest, t));
    }
    let kernels = [Type::Single, Type::Double].map(|t| (t, kernel(t)));
    for (job, outcomes) in jobs.iter().zip(run(&compiler, "schemes", &jobs)) {
        let of_type = kernels.iter().find(|(t, _)| *t == job.t);
        let (_, values) = of_type.expect("every type");
        for (outcome, launch) in outcomes.iter().zip(&job.launches) {
            check(
                job,
                values,
                outcome,
                &format!("{}, parts of {}", job.name, launch.part),
            );
        }
    }
}

/// Products with a symmetric matrix: of one block, of an odd and an even number of blocks, the last of them full or not, all offsets in one launch or in
/// several.
#[test]
fn mirrored_products_agree_with_the_interpreter() {
    let Some(compiler) = compiler() else {
        return;
    };
    let mut jobs = Vec::new();
    for t in [Type::Single, Type::Double] {
        for (axis, vectors, accumulator) in [(1, 1, t), (0, 3, Type::Double)] {
            let adding = Adding {
                scheme: Scheme::Blocks,
                accumulator,
            };
            let (compiled, reduction) =
                (gaussian(axis).times(vectors), Reduction::Mirrored(adding));
            let block = Layout::new(&compiled.formula(), reduction, t).block_rows();
            let sizes = [
                1,
                block - 33,
                block,
                block + 1,
                2 * block,
                3 * block - 7,
                4 * block,
            ];
            let launch = |rows, part| Launch {
                arrays: Arrays {
                    params: vec![G],
                    rows: points(rows, 3, 1).into_raw_vec_and_offset().0,
                    columns: points(rows, 3, 1).into_raw_vec_and_offset().0,
                    row_count: rows,
                    column_count: rows,
                },
                weights: points(rows, vectors, 3).into_raw_vec_and_offset().0,
                part,
                wanted: 1,
            };
            jobs.push(Job {
                name: format!("mirrored product with {vectors} in {t:?}"),
                launches: sizes
                    .map(|rows| launch(rows, if rows % 2 == 0 { 3 } else { 1 }))
                    .into(),
                compiled,
                reduction,
                t,
            });
        }
    }
    for (job, outcomes) in jobs.iter().zip(run(&compiler, "mirrored", &jobs)) {
        let tolerance = match job.t {
            Type::Single => 2e-5,
            Type::Double => 1e-13,
        };
        for (outcome, launch) in outcomes.iter().zip(&job.launches) {
            let held = |x: &f64| match job.t {
                Type::Single => f64::from(*x as f32),
                Type::Double => *x,
            };
            let (rows, vectors) = (launch.arrays.row_count, job.compiled.weights);
            let x: Vec<f64> = launch.arrays.rows.iter().map(held).collect();
            let v: Vec<f64> = launch.weights.iter().map(held).collect();
            // Every row of a few blocks would take long.
            for i in (0..rows).step_by(1 + rows / 300).chain([rows - 1]) {
                let mut expected = vec![0.0; vectors];
                for j in 0..rows {
                    let square = |k: usize| (x[3 * i + k] - x[3 * j + k]).powi(2);
                    let value = (-G * (square(0) + square(1) + square(2))).exp();
                    for (w, expected) in expected.iter_mut().enumerate() {
                        *expected += value * v[j * vectors + w];
                    }
                }
                for (found, expected) in outcome.values[i * vectors..].iter().zip(&expected) {
                    let scale = (rows as f64).sqrt().max(expected.abs());
                    assert!(
                        (found - expected).abs() <= tolerance * scale,
                        "{}: row {i} of {rows}: {found}, expected {expected}",
                        job.name
                    );
                }
            }
        }
    }
}

/// 2^x of kernels in double precision, which is their own, to two units in the last place, and at its ends.
#[test]
fn powers_of_two_are_those_of_the_mathematical_library() {
    let Some(compiler) = compiler() else {
        return;
    };
    let alias = |name: &str, category| Alias {
        name: name.into(),
        category,
        dim: 1,
    };
    let aliases = [alias("x", Category::I), alias("y", Category::J)];
    let mut x: Vec<f64> = points(5000, 1, 7)
        .iter()
        .map(|x| 2100.0 * x - 1060.0)
        .collect();
    x.extend(points(5000, 1, 8).iter().map(|x| 2.0 * x - 1.0));
    let ends = [
        0.0,
        -0.0,
        1e-300,
        0.5,
        -0.5,
        1.0 / 32.0,
        -1022.0,
        -1021.99,
        -1022.01,
        -1500.0,
        -1e300,
        1023.0,
        1023.999,
        1024.0,
        1e300,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -f64::NAN,
    ];
    x.extend(ends);
    let job = Job {
        name: "powers".into(),
        compiled: Compiled::new("Exp2(x + y)", None, &aliases, 1),
        reduction: Reduction::Sum(blocks(Type::Double)),
        t: Type::Double,
        launches: vec![Launch {
            arrays: Arrays {
                params: Vec::new(),
                row_count: x.len(),
                rows: x.clone(),
                columns: vec![0.0],
                column_count: 1,
            },
            weights: Vec::new(),
            part: 1 << 40,
            wanted: 1,
        }],
    };
    let outcomes = run(&compiler, "powers", &[job]);
    for (x, found) in x.iter().zip(&outcomes[0][0].values) {
        let expected = x.exp2();
        // Subnormal numbers are flushed to zero.
        let right = if expected < f64::MIN_POSITIVE {
            *found == 0.0 || (found / f64::MIN_POSITIVE - 1.0).abs() < 1e-10
        } else {
            (found / expected - 1.0).abs() <= 2.0 * f64::EPSILON
        };
        let same = expected.is_nan() && found.is_nan() || expected == *found;
        assert!(right || same, "2^{x:?} is {expected:e}, not {found:e}");
    }
}
