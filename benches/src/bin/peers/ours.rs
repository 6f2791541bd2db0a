//! Our side, as a process that speaks the protocol of `peers/worker.py`.

use std::error::Error;
use std::ffi::OsString;
use std::io;

use keops_solve::ndarray::{Array2, Axis, ShapeError, s};
use keops_solve::prelude::*;

use crate::cases::BATCH;
use crate::protocol::{self, Arguments, Points, Problem};

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

/// Computes what the arguments say whenever standard input asks for it. With `reversed`, the columns are taken from the last to the first:
/// the points of both sides are no longer the same array, while the sums are.
///
/// # Errors
/// If the arguments or the files are not what they should be, or a computation fails.
pub(crate) fn serve(arguments: &[OsString], reversed: bool) -> Result<(), Box<dyn Error>> {
    let asked = Arguments::new(arguments)?;
    let (task, d, columns) = (asked.task.as_str(), asked.d, asked.columns);
    if ("solve", "f32", 2, 2) == (task, &asked.element, d, columns) {
        return answer(system(&asked)?);
    }
    if ("gaussian", "f64", 3, 1) == (task, &asked.element, d, columns) {
        let points = asked.points::<f64>()?;
        return answer(sums!(points, "Exp(-g*SqDist(x,y))*b", 3, 1));
    }
    let mut points = asked.points::<f32>()?;
    if reversed {
        points.y = points.y.slice(s![..;-1, ..]).to_owned();
        points.b = points.b.slice(s![..;-1, ..]).to_owned();
    }
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
        _ => Err(format!("no kernel is compiled for {asked:?}").into()),
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

fn system(asked: &Arguments) -> io::Result<Problem<f32>> {
    let (x, b) = (asked.read("x", 2)?, asked.read("b", 2)?);
    let (gamma, alpha, eps) = (asked.gamma as f32, asked.alpha, asked.eps);
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

fn answer<T: Element>(problem: Problem<T>) -> Result<(), Box<dyn Error>> {
    let isa = InstructionSet::from_environment()?;
    protocol::answer(
        &format!("keops-solve {}, {isa}", env!("CARGO_PKG_VERSION")),
        problem,
    )
}
