//! A contestant of this program's own: what it is asked for, its points, and its answers, as `peers/worker.py` describes them.

use std::error::Error;
use std::ffi::OsString;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use keops_benches::data;
use keops_solve::Element;
use keops_solve::ndarray::Array2;

/// A computation, ready to be run any number of times.
pub(crate) type Problem<T> = Box<dyn Fn() -> Result<Array2<T>, Box<dyn Error>>>;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) task: String,
    pub(crate) element: String,
    directory: PathBuf,
    pub(crate) d: usize,
    pub(crate) columns: usize,
    pub(crate) gamma: f64,
    pub(crate) alpha: f64,
    pub(crate) eps: f64,
}

impl Arguments {
    /// Takes apart what the runner says.
    ///
    /// # Errors
    /// If it is not what it should be.
    pub(crate) fn new(arguments: &[OsString]) -> Result<Self, Box<dyn Error>> {
        let texts: Vec<_> = arguments.iter().filter_map(|text| text.to_str()).collect();
        let [task, element, directory, d, columns, gamma, alpha, eps] = texts[..] else {
            return Err("expected: TASK TYPE DIRECTORY D COLUMNS GAMMA ALPHA EPS".into());
        };
        Ok(Self {
            task: task.to_owned(),
            element: element.to_owned(),
            directory: directory.into(),
            d: d.parse()?,
            columns: columns.parse()?,
            gamma: gamma.parse()?,
            alpha: alpha.parse()?,
            eps: eps.parse()?,
        })
    }

    /// The points in the file `name`.
    ///
    /// # Errors
    /// Those of reading a file.
    pub(crate) fn read<T: Element>(&self, name: &str, columns: usize) -> io::Result<Array2<T>> {
        Ok(data::read(&self.directory.join(name), columns)?.mapv(T::from_f64))
    }

    /// The arrays of a reduction.
    ///
    /// # Errors
    /// Those of reading files.
    pub(crate) fn points<T: Element>(&self) -> io::Result<Points<T>> {
        Ok(Points {
            x: self.read("x", self.d)?,
            y: self.read("y", self.d)?,
            b: self.read("b", self.columns)?,
            gamma: T::from_f64(self.gamma),
        })
    }
}

/// The arrays of a reduction.
pub(crate) struct Points<T> {
    pub(crate) x: Array2<T>,
    pub(crate) y: Array2<T>,
    pub(crate) b: Array2<T>,
    pub(crate) gamma: T,
}

/// Answers the lines of standard input.
///
/// # Errors
/// If the computation or a file fails, or a line is not what it should be.
pub(crate) fn answer<T: Element>(
    versions: &str,
    problem: Problem<T>,
) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    writeln!(out, "ready {versions}")?;
    let mut result = Array2::from_elem((0, 0), T::from_f64(0.0));
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("run", count)) => {
                let count: u32 = count.parse()?;
                let start = Instant::now();
                for _ in 0..count {
                    result = black_box(problem()?);
                }
                let seconds = start.elapsed().as_secs_f64() / f64::from(count);
                writeln!(out, "seconds {seconds}")?;
            }
            Some(("save", path)) => {
                data::write(Path::new(path), &result.mapv(T::to_f64))?;
                writeln!(out, "saved")?;
            }
            _ => return Err(format!("expected `run COUNT` or `save PATH`, got `{line}`").into()),
        }
    }
    Ok(())
}
