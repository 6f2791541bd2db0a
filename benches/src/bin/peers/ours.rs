//! Our side, as a process that speaks the protocol of `peers/worker.py`.

use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::Instant;

use keops_benches::data;
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;

/// A computation, ready to be run any number of times.
type Problem<T> = Box<dyn Fn() -> Result<Array2<T>, Box<dyn Error>>>;

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
    match (task, element, d, columns) {
        ("product", "f32", 3, 1) => answer(product::<f32>(directory, gamma as f32)?),
        ("product", "f64", 3, 1) => answer(product::<f64>(directory, gamma)?),
        ("solve", "f32", 2, 2) => answer(system(directory, gamma as f32, alpha, eps)?),
        _ => Err(format!("no kernel is compiled for {texts:?}").into()),
    }
}

/// The points in the file `name`.
fn read<T: Element>(directory: &Path, name: &str, columns: usize) -> io::Result<Array2<T>> {
    Ok(data::read(&directory.join(name), columns)?.mapv(T::from_f64))
}

fn product<T: Element>(directory: &Path, gamma: T) -> io::Result<Problem<T>> {
    let (x, y) = (read::<T>(directory, "x", 3)?, read(directory, "y", 3)?);
    let b = read::<T>(directory, "b", 1)?;
    let sum = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1),
        axis = 1
    );
    Ok(Box::new(move || {
        Ok(sum.bind(&x, &y, &b, &[gamma]).run()?)
    }))
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
