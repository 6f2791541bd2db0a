//! The iterations that conjugate gradients take: without a preconditioner, with 15 pivots, and as they are by default.

use std::error::Error;

use keops_benches::data::uniform;
use keops_solve::ndarray::{Array2, Axis, s};
use keops_solve::prelude::*;

/// Relative residuals.
const TOLERANCES: [f64; 3] = [1e-3, 1e-6, 1e-8];

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

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| system | N | D | alpha | SciPy `cg` | none | rank 15 | Auto (rank) | norm of a, relative to scikit-learn's |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for mut problem in problems()? {
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
        2 => gaussian!(2),
        10 => gaussian!(10),
        30 => gaussian!(30),
        _ => gaussian!(64),
    }
}

/// The example of KeOps' documentation, and the data of the tests.
fn problems() -> Result<Vec<Problem>, Box<dyn Error>> {
    let example = |n: usize| Problem {
        name: "KeOps' example".to_owned(),
        x: uniform(n, 2, 7),
        b: uniform(n, 1, 8),
        g: 50.0,
        alpha: 0.01,
        reference: None,
    };
    let mut problems = vec![example(500), example(5000)];
    let references = include_str!("../../../keops-runtime/tests/data/reference.csv");
    for line in references.lines().skip(2) {
        let fields: Vec<_> = line.split(',').collect();
        let [name, _, g, alpha, norm, _, scipy @ ..] = &fields[..] else {
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
            _ => digits()?,
        };
        problems.push(Problem {
            name: (*name).to_owned(),
            x,
            b,
            g: g.parse()?,
            alpha: alpha.parse()?,
            reference: Some((norm.parse()?, scipy.join(" / "))),
        });
    }
    Ok(problems)
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
