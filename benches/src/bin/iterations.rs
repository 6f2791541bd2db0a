//! The iterations that conjugate gradients take: without a preconditioner, with 15 pivots, and as they are by default.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use keops_benches::data::uniform;
use keops_solve::ndarray::{Array2, Axis, s};
use keops_solve::prelude::*;
use lexopt::prelude::*;

/// Relative residuals.
const TOLERANCES: [f64; 3] = [1e-3, 1e-6, 1e-8];

const HELP: &str =
    "Counts the iterations of the solver on real data, and prints a table in Markdown.

Usage: cargo run --release -p keops-benches --bin iterations -- [OPTIONS]

  --fair PATH  fair.csv of statsmodels, which is not kept here, for one more system; see
               keops-runtime/tests/data/make.py
  --only NAME  the systems of this name";

/// A system and what others make of it.
struct Problem {
    name: String,
    x: Array2<f64>,
    b: Array2<f64>,
    g: f64,
    alpha: f64,
    /// The norm of the solution by scikit-learn, and the iterations of SciPy.
    reference: Option<(f64, String)>,
}

/// What the command line asks for.
#[derive(Default)]
struct Options {
    fair: Option<PathBuf>,
    only: Option<String>,
}

/// Reads the options, or prints the help and returns `None`.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("fair") => options.fair = Some(parser.value()?.into()),
            Long("only") => options.only = Some(parser.value()?.string()?),
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = options()? else {
        return Ok(());
    };
    println!(
        "| system | N | D | alpha | SciPy `cg` | none | rank 15 | Auto (rank) | norm of a, relative to scikit-learn's |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for mut problem in problems(options.fair.as_deref())? {
        if options
            .only
            .as_ref()
            .is_some_and(|only| *only != problem.name)
        {
            continue;
        }
        report(
            &problem,
            &problem.b.slice(s![.., ..1]).to_owned(),
            &problem.name,
        )?;
        if problem.b.ncols() > 1 {
            problem.reference = None;
            let name = format!("{}, {} right-hand sides", problem.name, problem.b.ncols());
            report(&problem, &problem.b, &name)?;
        }
    }
    println!(
        "\nIterations to relative residuals of 1e-3 / 1e-6 / 1e-8, recomputed in double precision."
    );
    Ok(())
}

/// Prints the row of a system.
fn report(problem: &Problem, b: &Array2<f64>, name: &str) -> Result<(), Box<dyn Error>> {
    let mut cells = Vec::new();
    let mut norm = 0.0;
    for preconditioner in [
        Preconditioner::None,
        Preconditioner::Cholesky { rank: 15 },
        Preconditioner::Auto,
    ] {
        let mut counts = Vec::new();
        for tolerance in TOLERANCES {
            let solution = solve(problem, b, tolerance, preconditioner)?;
            let rank = match (preconditioner, solution.preconditioner) {
                (Preconditioner::Auto, Some(report)) => format!(" ({})", report.rank),
                _ => String::new(),
            };
            counts.push(format!("{}{rank}", solution.iterations));
        }
        cells.push(counts.join(" / "));
    }
    let (scipy, scikit_learn) = match &problem.reference {
        Some((expected, scipy)) => {
            let a = solve(problem, b, 1e-12, Preconditioner::Auto)?.values;
            norm += (&a * &a).sum().sqrt();
            (scipy.clone(), format!("1 {:+.0e}", norm / expected - 1.0))
        }
        None => ("".to_owned(), "".to_owned()),
    };
    let (n, d) = problem.x.dim();
    println!(
        "| {name} | {n} | {d} | {} | {scipy} | {} | {scikit_learn} |",
        problem.alpha,
        cells.join(" | ")
    );
    Ok(())
}

fn solve(
    problem: &Problem,
    b: &Array2<f64>,
    tolerance: f64,
    preconditioner: Preconditioner<'_>,
) -> Result<Solution<f64>, SolveError<f64>> {
    let Problem { x, g, alpha, .. } = problem;
    macro_rules! gaussian {
        ($d:literal) => {
            lazy!("Exp(-g*SqDist(x,y))", x = Vi($d), y = Vj($d), g = Pm(1))
                .bind(x, x, *g)
                .rhs(b)
                .alpha(*alpha)
                .tolerance(Tolerance::Relative(tolerance))
                .preconditioner(preconditioner)
                .solve()
        };
    }
    match x.ncols() {
        1 => gaussian!(1),
        2 => gaussian!(2),
        8 => gaussian!(8),
        10 => gaussian!(10),
        30 => gaussian!(30),
        _ => gaussian!(64),
    }
}

/// The example of KeOps' documentation, 40 tight clusters with 80 outliers, and the data of the tests.
fn problems(fair: Option<&Path>) -> Result<Vec<Problem>, Box<dyn Error>> {
    let example = |n: usize| Problem {
        name: "KeOps' example".to_owned(),
        x: uniform(n, 2, 7),
        b: uniform(n, 1, 8),
        g: 50.0,
        alpha: 0.01,
        reference: None,
    };
    let mut problems = vec![example(500), example(5000), clusters()];
    let references = include_str!("../../../keops-runtime/tests/data/reference.csv");
    for line in references.lines().skip(2) {
        let fields: Vec<_> = line.split(',').collect();
        let [name, _, g, alpha, norm, _, loose, medium, tight, ..] = &fields[..] else {
            return Err(format!("reference.csv: {line}").into());
        };
        let (x, b) = match *name {
            "diabetes" => {
                let (x, target) = table(
                    include_str!("../../../keops-runtime/tests/data/diabetes.csv"),
                    11,
                )?;
                (standardised(&x), standardised(&target))
            }
            "breast_cancer" => {
                let (x, class) = table(
                    include_str!("../../../keops-runtime/tests/data/breast_cancer.csv"),
                    31,
                )?;
                (
                    standardised(&x),
                    class.mapv(|class| if class == 0.0 { -1.0 } else { 1.0 }),
                )
            }
            "co2" => co2()?,
            "fair" => match fair {
                Some(path) => {
                    let text = fs::read_to_string(path)
                        .map_err(|error| format!("{}: {error}", path.display()))?;
                    let (x, target) = table(below_headings(&text), 9)?;
                    (standardised(&x), standardised(&target))
                }
                None => continue,
            },
            _ => digits()?,
        };
        problems.push(Problem {
            name: (*name).to_owned(),
            x,
            b,
            g: g.parse()?,
            alpha: alpha.parse()?,
            reference: Some((norm.parse()?, [*loose, *medium, *tight].join(" / "))),
        });
        if *name == "diabetes" {
            problems.extend(problems.last().map(nearly_singular));
        }
    }
    Ok(problems)
}

/// The same with next to no ridge, which nobody else was asked for.
fn nearly_singular(problem: &Problem) -> Problem {
    Problem {
        name: problem.name.clone(),
        x: problem.x.clone(),
        b: problem.b.clone(),
        g: problem.g,
        alpha: 1e-4,
        reference: None,
    }
}

/// 3920 points in 40 tight clusters, and 80 outliers.
fn clusters() -> Problem {
    let (centres, outliers) = (uniform::<f64>(40, 2, 1), uniform::<f64>(80, 2, 2));
    let noise = uniform::<f64>(3920, 2, 3);
    let x = Array2::from_shape_fn((4000, 2), |(i, k)| match i.checked_sub(3920) {
        None => 20.0 * centres[[i % 40, k]] + 1e-4 * noise[[i, k]],
        Some(outlier) => 20.0 * outliers[[outlier, k]],
    });
    Problem {
        name: "clusters and outliers".to_owned(),
        x,
        b: uniform(4000, 1, 4),
        g: 2.0,
        alpha: 1e-3,
        reference: None,
    }
}

/// The carbon dioxide in the atmosphere, by the weeks from the first, in years.
fn co2() -> Result<(Array2<f64>, Array2<f64>), Box<dyn Error>> {
    let text = include_str!("../../../examples/data/co2_weekly.csv");
    let (years, target) = table(below_headings(text), 2)?;
    let (first, year) = (years[[0, 0]], 365.25 / 7.0);
    let weeks = years.mapv(|t| ((t - first) * year).round());
    Ok((weeks / year, standardised(&target)))
}

fn below_headings(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, below)| below)
}

/// Numbers, row by row, in so many columns, of which the last is the target.
fn table(text: &str, columns: usize) -> Result<(Array2<f64>, Array2<f64>), Box<dyn Error>> {
    let numbers: Vec<f64> = text
        .split([',', '\n'])
        .filter(|number| !number.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let rows = Array2::from_shape_vec((numbers.len() / columns, columns), numbers)?;
    let (x, target) = rows.view().split_at(Axis(1), columns - 1);
    Ok((x.to_owned(), target.to_owned()))
}

/// With mean 0 and standard deviation 1 in each column.
fn standardised(x: &Array2<f64>) -> Array2<f64> {
    let n = x.nrows() as f64;
    let centred = x - &(x.sum_axis(Axis(0)) / n);
    let deviation = (&centred * &centred).sum_axis(Axis(0)) / n;
    centred / deviation.mapv(f64::sqrt)
}

/// The images, and each of the ten digits against the rest.
fn digits() -> Result<(Array2<f64>, Array2<f64>), Box<dyn Error>> {
    let lines: Vec<_> = include_str!("../../../keops-runtime/tests/data/digits.txt")
        .lines()
        .collect();
    let (mut x, mut b) = (Vec::new(), Vec::new());
    for line in &lines {
        let (image, class) = line.split_once(' ').ok_or("digits.txt: no class")?;
        let class: usize = class.parse()?;
        let levels = image.chars().filter_map(|level| level.to_digit(17));
        x.extend(levels.map(|level| f64::from(level) / 16.0));
        b.extend((0..10).map(|digit| if digit == class { 1.0 } else { -1.0 }));
    }
    let n = lines.len();
    Ok((
        Array2::from_shape_vec((n, 64), x)?,
        Array2::from_shape_vec((n, 10), b)?,
    ))
}
