//! Solves systems of as many points as wanted whose exact solutions are known, and prints a table in Markdown.

use std::error::Error;

use keops_benches::known::{Known, exponential_on_a_line, gaussian_on_the_circle};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use lexopt::prelude::*;

const HELP: &str =
    "Solves systems whose exact solutions are known, and prints how far off the solutions are.

Usage: cargo run --release -p keops-benches --bin long_problems -- [OPTIONS]

  --points N     points, up to millions (default 4096); time grows with the square
  --tolerance E  the residual relative to the right-hand side (default 1e-6)
  --plain        without a preconditioner
  --only NAME    `line` or `circle` (default both)";

struct Options {
    points: usize,
    tolerance: f64,
    preconditioner: Preconditioner<'static>,
    only: Option<String>,
}

/// Reads the options, or prints the help and returns `None`.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        points: 4096,
        tolerance: 1e-6,
        preconditioner: Preconditioner::Auto,
        only: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("points") => options.points = parser.value()?.parse()?,
            Long("tolerance") => options.tolerance = parser.value()?.parse()?,
            Long("plain") => options.preconditioner = Preconditioner::None,
            Long("only") => match parser.value()?.string()? {
                name if name == "line" || name == "circle" => options.only = Some(name),
                other => return Err(format!("--only: expected line or circle, got {other}").into()),
            },
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
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    println!(
        "| system | N | iterations (rank) | products | seconds | a product | relative residual | b'a | off by | norm of a | off by | largest error of a |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    if wanted("line") {
        let known = exponential_on_a_line(options.points);
        let kernel = lazy!("Exp(-g*Abs(x-y))", x = Vi(1), y = Vj(1), g = Pm(1));
        let solution = kernel
            .bind(&known.x, &known.x, known.g)
            .rhs(&known.b)
            .alpha(known.alpha)
            .tolerance(Tolerance::Relative(options.tolerance))
            .preconditioner(options.preconditioner)
            .solve()?;
        print_row("exponential kernel on a line", &known, &solution);
    }
    if wanted("circle") {
        let known = gaussian_on_the_circle(options.points);
        let kernel = lazy!("Exp(-g*SqDist(x,y))", x = Vi(2), y = Vj(2), g = Pm(1));
        let solution = kernel
            .bind(&known.x, &known.x, known.g)
            .rhs(&known.b)
            .alpha(known.alpha)
            .tolerance(Tolerance::Relative(options.tolerance))
            .preconditioner(options.preconditioner)
            .solve()?;
        print_row("Gaussian kernel on the circle", &known, &solution);
    }
    println!(
        "\nIn double precision, to a relative residual of {:.0e}. Errors are relative to the exact solution; that of a is by its largest entry. The seconds of \
         a product are those of the solve, divided by its products.",
        options.tolerance
    );
    Ok(())
}

fn print_row(name: &str, known: &Known, solution: &Solution<f64>) {
    let dot = |x: &Array2<f64>, y: &Array2<f64>| (x * y).sum();
    let largest = |x: &Array2<f64>| x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let a = &solution.values;
    let (energy, exact_energy) = (dot(&known.b, a), dot(&known.b, &known.a));
    let (norm, exact_norm) = (dot(a, a).sqrt(), dot(&known.a, &known.a).sqrt());
    let rank = match solution.preconditioner {
        Some(report) => format!(" ({})", report.rank),
        None => String::new(),
    };
    let products = solution.products.working + solution.products.double;
    let seconds = solution.elapsed.as_secs_f64();
    println!(
        "| {name} | {} | {}{rank} | {products} | {seconds:.2} | {:.4} | {:.1e} | {energy:.12} | {:+.0e} | {norm:.12} | {:+.0e} | {:.0e} |",
        known.x.nrows(),
        solution.iterations,
        seconds / products.max(1) as f64,
        solution
            .columns
            .iter()
            .map(|c| c.relative)
            .fold(0.0, f64::max),
        energy / exact_energy - 1.0,
        norm / exact_norm - 1.0,
        largest(&(a - &known.a)) / largest(&known.a),
    );
}
