//! Our side, as a process that speaks the protocol of `peers/worker.py`.

use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use keops_benches::data;
use keops_solve::ndarray::{Array2, Axis, ShapeError};
use keops_solve::prelude::*;

use crate::task::BATCH;

/// A computation, ready to be run any number of times.
type Problem<T> = Box<dyn Fn() -> Result<Array2<T>, Box<dyn Error>>>;

/// The sum over j of a formula in `x = Vi(d), y = Vj(d), b = Vj(columns), g = Pm(1)`.
macro_rules! sums {
    ($points:ident, $formula:literal, $d:literal, $columns:literal) => {{
        let sum = genred!(
            $formula,
            x = Vi($d),
            y = Vj($d),
            b = Vj($columns),
            g = Pm(1),
            axis = 1
        );
        problem(move || {
            Ok(sum
                .bind(&$points.x, &$points.y, &$points.b, $points.gamma)
                .run()?)
        })
    }};
}

/// The indices of the nearest points.
macro_rules! nearest {
    ($points:ident, $d:literal) => {{
        let nearest = genred!(
            "SqDist(x,y)",
            x = Vi($d),
            y = Vj($d),
            reduction = ArgMin,
            axis = 1
        );
        problem(move || {
            let indices = nearest.bind(&$points.x, &$points.y).run()?;
            Ok(indices.mapv(|index| index as f64))
        })
    }};
}

/// The indices of the `NEIGHBOURS` nearest points.
macro_rules! neighbours {
    ($points:ident, $d:literal) => {{
        let nearest = genred!(
            "SqDist(x,y)",
            x = Vi($d),
            y = Vj($d),
            reduction = ArgKMin(10),
            axis = 1
        );
        problem(move || {
            let indices = nearest.bind(&$points.x, &$points.y).run()?;
            Ok(indices.index_axis(Axis(2), 0).mapv(|index| index as f64))
        })
    }};
}

/// Computes what the arguments say whenever standard input asks for it.
///
/// # Errors
/// If the arguments or the files are not what they should be, or a computation fails.
pub(crate) fn serve(arguments: &[OsString]) -> Result<(), Box<dyn Error>> {
    let texts: Vec<_> = arguments.iter().filter_map(|text| text.to_str()).collect();
    let [task, element, directory, d, columns, gamma, alpha, eps] = texts[..] else {
        return Err("expected: TASK TYPE DIRECTORY D COLUMNS GAMMA ALPHA EPS".into());
    };
    let directory = Path::new(directory);
    let (d, columns): (usize, usize) = (d.parse()?, columns.parse()?);
    let (gamma, alpha, eps): (f64, f64, f64) = (gamma.parse()?, alpha.parse()?, eps.parse()?);
    if let ("solve", "f32", 2, 2) = (task, element, d, columns) {
        return answer(system(directory, gamma as f32, alpha, eps)?);
    }
    if let ("gaussian", "f64", 3, 1) = (task, element, d, columns) {
        let points = Points::<f64>::read(directory, d, columns, gamma)?;
        return answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 3, 1));
    }
    let points = Points::<f32>::read(directory, d, columns, gamma as f32)?;
    match (task, d, columns) {
        ("gaussian" | "same", 3, 1) => answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 3, 1)),
        ("gaussian", 10, 1) => answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 10, 1)),
        ("gaussian", 100, 1) => answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 100, 1)),
        ("gaussian", 784, 1) => answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 784, 1)),
        ("gaussian", 3, 100) => answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 3, 100)),
        ("laplacian", 3, 1) => answer(sums!(points, "Exp(-g*Norm2(x-y))*b", 3, 1)),
        ("matern32", 3, 1) => answer(sums!(points, "(1+g*Norm2(x-y))*Exp(-g*Norm2(x-y))*b", 3, 1)),
        ("cauchy", 3, 1) => answer(sums!(points, "Inv(1+g*SqDist(x,y))*b", 3, 1)),
        ("multiquadric", 3, 1) => answer(sums!(points, "Rsqrt(1+g*SqDist(x,y))*b", 3, 1)),
        ("logsumexp", 3, 1) => answer(log_sums(points)),
        ("argmin", 3, 1) => answer(nearest!(points, 3)),
        ("argmin", 10, 1) => answer(nearest!(points, 10)),
        ("argkmin", 3, 1) => answer(neighbours!(points, 3)),
        ("argkmin", 10, 1) => answer(neighbours!(points, 10)),
        ("gradient", 3, 1) => answer(gradients(points)),
        ("batches", 3, 1) => answer(batches(points)?),
        _ => Err(format!("no kernel is compiled for {texts:?}").into()),
    }
}

/// The arrays of a reduction.
struct Points<T> {
    x: Array2<T>,
    y: Array2<T>,
    b: Array2<T>,
    gamma: T,
}

impl<T: Element> Points<T> {
    fn read(directory: &Path, d: usize, columns: usize, gamma: T) -> io::Result<Self> {
        let (x, y) = (read(directory, "x", d)?, read(directory, "y", d)?);
        let b = read(directory, "b", columns)?;
        Ok(Self { x, y, b, gamma })
    }
}

fn problem<T>(compute: impl Fn() -> Result<Array2<T>, Box<dyn Error>> + 'static) -> Problem<T> {
    Box::new(compute)
}

fn log_sums(points: Points<f32>) -> Problem<f32> {
    let log_sum = genred!(
        "-g*SqDist(x,y)",
        x = Vi(3),
        y = Vj(3),
        g = Pm(1),
        reduction = LogSumExp,
        axis = 1
    );
    problem(move || Ok(log_sum.bind(&points.x, &points.y, points.gamma).run()?))
}

fn gradients(points: Points<f32>) -> Problem<f32> {
    let gradient = genred!(
        "Grad(Exp(-g*SqDist(x,y))*b, x, e)",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1),
        e = Vi(1),
        axis = 1
    );
    let ones = Array2::ones((points.x.nrows(), 1));
    problem(move || {
        let Points { x, y, b, gamma } = &points;
        Ok(gradient.bind(x, y, b, *gamma, &ones).run()?)
    })
}

fn batches(points: Points<f32>) -> Result<Problem<f32>, ShapeError> {
    let sum = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1),
        axis = 1
    );
    let rows = points.x.nrows();
    let stack = |points: Array2<f32>| {
        let columns = points.ncols();
        points.into_shape_with_order((rows / BATCH, BATCH, columns))
    };
    let (x, y, b) = (stack(points.x)?, stack(points.y)?, stack(points.b)?);
    let gamma = points.gamma;
    Ok(problem(move || {
        let sums = sum.bind_batch(&x, &y, &b, gamma).run()?;
        Ok(sums.into_shape_with_order((rows, 1))?)
    }))
}

/// The points in the file `name`.
fn read<T: Element>(directory: &Path, name: &str, columns: usize) -> io::Result<Array2<T>> {
    Ok(data::read(&directory.join(name), columns)?.mapv(T::from_f64))
}

fn system(directory: &Path, gamma: f32, alpha: f64, eps: f64) -> io::Result<Problem<f32>> {
    let (x, b) = (
        read::<f32>(directory, "x", 2)?,
        read::<f32>(directory, "b", 2)?,
    );
    let inverse = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vj(2),
        g = Pm(1)
    );
    Ok(Box::new(move || {
        let system = inverse.bind(&x, &x, &b, gamma).alpha(alpha).eps(eps);
        Ok(system.solve()?.values)
    }))
}

/// Answers the lines of standard input.
fn answer<T: Element>(problem: Problem<T>) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "ready keops-solve {}, {}",
        env!("CARGO_PKG_VERSION"),
        InstructionSet::from_environment()?
    )?;
    let mut result = Array2::zeros((0, 0));
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            None if line == "run" => {
                let start = Instant::now();
                let values = black_box(problem()?);
                writeln!(out, "seconds {}", start.elapsed().as_secs_f64())?;
                result = values.mapv(T::to_f64);
            }
            Some(("save", path)) => {
                data::write(Path::new(path), &result)?;
                writeln!(out, "saved")?;
            }
            _ => return Err(format!("expected `run` or `save PATH`, got `{line}`").into()),
        }
    }
    Ok(())
}
