//! What has to be tried on a machine with a CUDA device: the reference cases, agreement with the processor, repeatability, errors, and speed.
//!
//! `cargo build --release -p keops-tests --bin device-check` makes a program that needs no Rust and no network where it runs, only the
//! driver and NVRTC (`KEOPS_NVRTC`). `device-check [DEVICE]` prints what it finds, and fails if anything is not as it should be.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use keops_solve::__private::cuda::source::{Reduction, Type};
use keops_solve::__private::cuda::{Device, Launch};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use keops_tests::compiled::{Compiled, arrays, blocks, check, of_case, reduction};
use keops_tests::conformance::cases;
use keops_tests::data::points;

kernel_solve!(Inverse: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1));
genred!(Gaussian: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), axis = 1);
genred!(Distances: "Exp(-SqDist(x,y))*b", x = Vi(100), y = Vj(100), b = Vj(1), axis = 1);

type Outcome = Result<String, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let ordinal = std::env::args()
        .nth(1)
        .and_then(|argument| argument.parse().ok())
        .unwrap_or(0);
    let device = match Device::get(ordinal) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{device:?}");
    let cuda = Backend::Cuda(ordinal);
    let checks: [(&str, &dyn Fn() -> Outcome); 6] = [
        ("reference cases", &|| conformance(device)),
        ("agreement with the processor, f32", &|| {
            agreement(cuda, 1e-5, |x| x as f32)
        }),
        ("agreement with the processor, f64", &|| {
            agreement(cuda, 1e-13, |x| x)
        }),
        ("repeatability", &|| repeatability(cuda)),
        ("a solve", &|| solve(cuda)),
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
    match speed(cuda) {
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
                rows: arrays.rows,
                columns: arrays.columns,
                weights: Vec::new(),
                row_count: arrays.row_count,
                column_count: arrays.column_count,
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

fn solve(cuda: Backend) -> Outcome {
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

fn memory(device: &Device) -> Outcome {
    let compiled = lasting(of_case(&cases()[0]));
    let (rows, columns) = (1_000_000, 1_000_000);
    let side = |count: usize, raw: usize| vec![0.0; count * raw];
    let formula = compiled.formula();
    let launch = Launch {
        reduction: Reduction::Smallest,
        t: Type::Single,
        out: Type::Single,
        // 16 bytes for each of as many values of every row: more than any device has.
        count: columns,
        params: Vec::new(),
        rows: side(rows, formula.row.raw),
        columns: side(columns, formula.column.raw),
        weights: Vec::new(),
        row_count: rows,
        column_count: columns,
    };
    match device.run(&formula, &launch) {
        Err(error @ Error::DeviceMemory { .. }) => Ok(error.to_string()),
        Err(other) => Err(other.into()),
        Ok(_) => Err("memory without end".into()),
    }
}

fn speed(cuda: Backend) -> Result<(), Error> {
    println!("\nbest of five calls, arrays to the device and back included");
    for n in [10_000, 100_000, 1_000_000] {
        let (x, b) = (typed(n, 3, 1, |x| x as f32), typed(n, 1, 2, |x| x as f32));
        report("Gaussian, D = 3, f32", n, || {
            Gaussian.bind(&x, &x, &b, 3.0).backend(cuda).run()
        })?;
    }
    for n in [10_000, 100_000] {
        let (x, b) = (points(n, 3, 1), points(n, 1, 2));
        report("Gaussian, D = 3, f64", n, || {
            Gaussian.bind(&x, &x, &b, 3.0).backend(cuda).run()
        })?;
        let (x, b) = (typed(n, 100, 1, |x| x as f32), typed(n, 1, 2, |x| x as f32));
        report("Gaussian, D = 100, f32", n, || {
            Distances.bind(&x, &x, &b).backend(cuda).run()
        })?;
    }
    Ok(())
}

fn report<T>(what: &str, n: usize, run: impl Fn() -> Result<T, Error>) -> Result<(), Error> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    let pairs = (n as f64).powi(2) / best * 1e-9;
    println!(
        "{what}, N = M = {n}: {:.3} ms, {pairs:.1} pairs per nanosecond",
        1e3 * best
    );
    Ok(())
}
