//! What has to be tried on a machine with a CUDA device: the reference cases, agreement with the processor, solves that stay on the device, arrays that are there already, repeatability,
//! errors, and speed.
//!
//! `cargo build --release -p keops-tests --bin device-check` makes a program that needs no Rust and no network where it runs, only the
//! driver and NVRTC (`KEOPS_NVRTC`). `device-check [DEVICE [LARGEST]]` prints what it finds, and fails if anything is not as it should be; speed is
//! measured with at most `LARGEST` points.

mod resident;
mod speed;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use keops_solve::__private::cuda::recipe::{Reduction, Type};
use keops_solve::__private::cuda::{Buffer, Device, Launch};
use keops_solve::ndarray::{Array2, ArrayView2, ArrayViewMut2, s};
use keops_solve::prelude::*;
use keops_solve::solve::{self, Entries, OperatorError, Precision};
use keops_tests::compiled::{Compiled, arrays, blocks, check, of_case, reduction};
use keops_tests::conformance::cases;
use keops_tests::data::points;

kernel_solve!(Inverse: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1));
genred!(Gaussian: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), axis = 1);
lazy!(GaussianMatrix: "Exp(-g*SqDist(x,y))", x = Vi(3), y = Vj(3), g = Pm(1));
lazy!(WideMatrix: "Exp(-g*SqDist(x,y))", x = Vi(100), y = Vj(100), g = Pm(1));

type Outcome = Result<String, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let argument = |place| std::env::args().nth(place)?.parse().ok();
    let (ordinal, largest) = (argument(1).unwrap_or(0), argument(2).unwrap_or(1_000_000));
    let device = match Device::get(ordinal) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{device:?}");
    let cuda = Backend::Cuda(ordinal);
    let checks: [(&str, &dyn Fn() -> Outcome); 9] = [
        ("reference cases", &|| conformance(device)),
        ("agreement with the processor, f32", &|| {
            agreement(cuda, 1e-5, |x| x as f32)
        }),
        ("agreement with the processor, f64", &|| {
            agreement(cuda, 1e-13, |x| x)
        }),
        ("block-sparse reductions and batches", &|| spans(cuda)),
        ("repeatability", &|| repeatability(cuda)),
        ("a solve", &|| one_solve(cuda)),
        ("solves that stay on the device", &|| resident(cuda)),
        ("arrays on the device", &|| resident::arrays(ordinal)),
        ("too little memory", &|| memory(device)),
    ];
    let mut failed = false;
    for (what, run) in checks {
        match run() {
            Ok(said) => println!("ok      {what}: {said}"),
            Err(error) => {
                failed = true;
                println!("FAILED  {what}: {error}");
            }
        }
    }
    match speed::speed(cuda, largest) {
        Ok(()) if !failed => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            println!("FAILED  speed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Kernels live as long as the process, and so do their formulas.
fn lasting(compiled: Compiled) -> &'static Compiled {
    Box::leak(Box::new(compiled))
}

/// Numbers as a kernel of type `t` reads them.
fn upload(device: &Device, t: Type, values: &[f64]) -> Result<Arc<Buffer>, Error> {
    let buffer = match t {
        Type::Single => {
            let rounded: Vec<f32> = values.iter().map(|&x| x as f32).collect();
            device.upload(&rounded)
        }
        Type::Double => device.upload(values),
    };
    buffer.map(Arc::new)
}

fn conformance(device: &Device) -> Outcome {
    let mut failures = Vec::new();
    for case in cases() {
        let compiled = lasting(of_case(case));
        for t in [Type::Single, Type::Double] {
            let arrays = arrays(case);
            let launch = Launch {
                reduction: reduction(case, blocks(t)),
                t,
                out: t,
                count: case.k.unwrap_or(1),
                params: compiled.params(&arrays.params),
                rows: upload(device, t, &arrays.rows)?,
                columns: upload(device, t, &arrays.columns)?,
                weights: upload(device, t, &[])?,
                row_count: arrays.row_count,
                column_count: arrays.column_count,
                spans: None,
            };
            let what = format!("{} in {t:?}", case.name);
            let (values, indices) = device.run(&compiled.formula(), &launch)?;
            let indices = indices.iter().map(|&index| index as f64).collect();
            let compared = || check(case, t, values, indices, &what);
            if catch_unwind(AssertUnwindSafe(compared)).is_err() {
                failures.push(what);
            }
        }
    }
    if failures.is_empty() {
        return Ok(format!("{} in f32 and f64", cases().len()));
    }
    Err(failures.join(", ").into())
}

/// Points of a type.
fn typed<T: Element>(
    rows: usize,
    columns: usize,
    seed: u64,
    round: impl Fn(f64) -> T,
) -> Array2<T> {
    points(rows, columns, seed).map(|&x| round(x))
}

fn agreement<T: Element + Into<f64>>(
    cuda: Backend,
    tolerance: f64,
    round: impl Fn(f64) -> T + Copy,
) -> Outcome {
    let mut largest = 0.0f64;
    // Sizes around those of blocks and tiles, few rows with many columns and the reverse.
    for (rows, columns) in [
        (1, 1),
        (127, 255),
        (513, 257),
        (3, 200_001),
        (20_011, 20_003),
    ] {
        let (x, y) = (typed(rows, 3, 1, round), typed(columns, 3, 2, round));
        let (b, g) = (typed(columns, 1, 3, round), [round(3.0)]);
        let bound = Gaussian.bind(&x, &y, &b, &[g[0]][..]);
        let expected = bound.clone().backend(Backend::Cpu).run()?;
        let found = bound.backend(cuda).run()?;
        for (found, expected) in found.iter().zip(&expected) {
            let (found, expected): (f64, f64) = ((*found).into(), (*expected).into());
            largest = largest.max((found - expected).abs() / expected.abs());
        }
    }
    if largest <= tolerance {
        return Ok(format!("largest relative difference {largest:.1e}"));
    }
    Err(format!("a relative difference of {largest:.1e}, above {tolerance:.0e}").into())
}

/// The largest difference of values, relative to the expected ones.
fn difference<'a>(
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
) -> f64 {
    let pairs = found.into_iter().zip(expected);
    pairs.fold(0.0, |largest: f64, (found, expected)| {
        largest.max((found - expected).abs() / expected.abs())
    })
}

fn spans(cuda: Backend) -> Outcome {
    let mut largest = 0.0f64;
    let (n, g) = (20_000, 3.0);
    let (x, b) = (points(n, 3, 1), points(n, 1, 2));
    // Clusters of fewer points than a block has threads, and of more than it has rows.
    for length in [40, 900] {
        let clusters: Vec<_> = (0..n / length)
            .map(|k| [k * length, (k + 1) * length])
            .collect();
        let near = |(k, l): (usize, usize)| k.abs_diff(l) < 3;
        let ranges = Ranges::from_matrix(
            &clusters,
            &clusters,
            &Array2::from_shape_fn([clusters.len(); 2], near),
        )?;
        let bound = Gaussian.bind(&x, &x, &b, g).ranges(&ranges);
        let expected = bound.clone().backend(Backend::Cpu).run()?;
        // Rows without columns are 0 on both.
        let covered = s![..clusters.len() * length, ..];
        let found = bound.backend(cuda).run()?;
        largest = largest.max(difference(found.slice(covered), expected.slice(covered)));
    }
    let batch = |points: Array2<f64>, elements: usize| {
        let (rows, columns) = points.dim();
        points.into_shape_with_order((elements, rows / elements, columns))
    };
    let (x, b) = (batch(x, 1000)?, batch(b, 1000)?);
    let bound = Gaussian.bind_batch(&x, &x, &b, g);
    let expected = bound.clone().backend(Backend::Cpu).run()?;
    let start = Instant::now();
    let found = bound.backend(cuda).run()?;
    let time = start.elapsed();
    largest = largest.max(difference(&found, &expected));
    if largest <= 1e-13 {
        return Ok(format!(
            "largest relative difference {largest:.1e}; 1000 elements of 20 points took {time:.1?} with compilation"
        ));
    }
    Err(format!("a relative difference of {largest:.1e}").into())
}

fn repeatability(cuda: Backend) -> Outcome {
    let (x, b) = (
        typed(50_000, 3, 1, |x| x as f32),
        typed(50_000, 1, 2, |x| x as f32),
    );
    let run = || Gaussian.bind(&x, &x, &b, 3.0).backend(cuda).run();
    let first = run()?;
    for _ in 0..10 {
        if run()? != first {
            return Err("two runs differ".into());
        }
    }
    Ok("eleven runs are the same bit for bit".into())
}

fn one_solve(cuda: Backend) -> Outcome {
    let (x, b) = (points(5000, 2, 1), points(5000, 1, 2));
    let solution = Inverse
        .bind(&x, &x, &b, 50.0)
        .alpha(0.01)
        .backend(cuda)
        .solve()?;
    let column = &solution.columns[0];
    Ok(format!(
        "{} iterations, residual {:.1e}",
        solution.iterations, column.rms
    ))
}

/// An operator whose vectors stay on the host: it does not hand on that the other has its products on a device.
struct OnHost<'a>(&'a dyn LinearOperator);

impl LinearOperator for OnHost<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn apply(
        &self,
        precision: Precision,
        v: ArrayView2<'_, f64>,
        out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), OperatorError> {
        self.0.apply(precision, v, out)
    }

    fn working_roundoff(&self) -> f64 {
        self.0.working_roundoff()
    }

    fn entries(&self) -> Option<&dyn Entries> {
        self.0.entries()
    }
}

/// Agreement with solves whose vectors are on the host, by the same products, and of two runs with each other to the last bit.
fn resident(cuda: Backend) -> Outcome {
    let (n, alpha) = (3000, 0.01);
    let x = points(n, 3, 1);
    let matrix = GaussianMatrix.bind(&x, &x, 20.0).backend(cuda);
    let operator = matrix.operator()?;
    if operator.on_device()?.is_none() {
        return Err("vectors would stay on the host".into());
    }
    let (mut largest, mut said) = (0.0f64, Vec::new());
    for columns in [1, 4] {
        let b = points(n, columns, 2);
        for rank in [0, 100] {
            let options = || SolveOptions {
                alpha,
                tolerance: Tolerance::Relative(1e-9),
                preconditioner: match rank {
                    0 => Preconditioner::None,
                    rank => Preconditioner::Cholesky { rank },
                },
                ..Default::default()
            };
            let on_device = || solve::solve(&operator, b.view(), None, options());
            let (first, second) = (on_device()?, on_device()?);
            if first.values_f64 != second.values_f64 || first.history != second.history {
                return Err(
                    format!("two runs differ, of {columns} columns with rank {rank}").into(),
                );
            }
            let expected = solve::solve(&OnHost(&operator), b.view(), None, options())?;
            let scale = expected
                .values_f64
                .iter()
                .fold(0.0f64, |most, v| most.max(v.abs()));
            let pairs = first.values_f64.iter().zip(&expected.values_f64);
            largest = pairs.fold(largest, |most, (a, b)| most.max((a - b).abs() / scale));
            said.push(format!(
                "{} ({} on the host)",
                first.iterations, expected.iterations
            ));
        }
    }
    // Both residuals are 1e-9 of the right-hand side, and the condition number is at most n / alpha.
    if largest <= 1e-4 {
        return Ok(format!(
            "largest difference {largest:.1e} of the largest value, two runs are the same bit for bit, iterations {}",
            said.join(", ")
        ));
    }
    Err(format!("a difference of {largest:.1e} of the largest value").into())
}

fn memory(device: &Device) -> Outcome {
    let compiled = lasting(of_case(&cases()[0]));
    let (rows, columns) = (1_000_000, 1_000_000);
    let side = |count: usize, raw: usize| upload(device, Type::Single, &vec![0.0; count * raw]);
    let formula = compiled.formula();
    let launch = Launch {
        reduction: Reduction::Smallest,
        t: Type::Single,
        out: Type::Single,
        // 16 bytes for each of as many values of every row: more than any device has.
        count: columns,
        params: Vec::new(),
        rows: side(rows, formula.row.raw)?,
        columns: side(columns, formula.column.raw)?,
        weights: side(0, 0)?,
        row_count: rows,
        column_count: columns,
        spans: None,
    };
    match device.run(&formula, &launch) {
        Err(error @ Error::DeviceMemory { .. }) => Ok(error.to_string()),
        Err(other) => Err(other.into()),
        Ok(_) => Err("memory without end".into()),
    }
}
