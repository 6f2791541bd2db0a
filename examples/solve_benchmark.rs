//! How the time of a solve grows with the number of points, without the matrix and with it.
//!
//! The system is that of the benchmark of KeOps' own solver (`pykeops/benchmarks`). It is nearly diagonal, and takes few
//! iterations: what it measures is the product with the matrix.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keops_examples::picture::{Axis, BLUE, ORANGE, Picture, PictureError};
use keops_examples::progress::Progress;
use keops_examples::{Failure, command_line, dense};
use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;

const HELP: &str = "
Times the solution of (alpha Id + K) a = b for the Gaussian kernel of N points in the unit cube, by keops-solve and by a
dense Cholesky factorisation, both in f32, for N from 10 to 1 000 000 as far as time and memory allow.

Usage: solve_benchmark [--time-limit SECONDS] [--output PATH]

  --time-limit SECONDS  the time that one solve may take, as predicted from the size before [10]
  --output PATH         where the picture goes, and beside it the numbers, as a CSV file
                        [target/examples-output/solve_benchmark.png]
";

const ALPHA: f64 = 0.8;
const SIGMA: f64 = 0.01;
const GAMMA: f32 = (0.5 / (SIGMA * SIGMA)) as f32;

/// The matrix of the dense solver takes this many bytes at most.
const MEMORY: usize = 4 << 30;
/// A size is timed again and again for this long, and the shortest time counts.
const REPEAT: Duration = Duration::from_millis(500);
const MOST_REPEATS: usize = 100;

fn main() -> Result<(), Failure> {
    let mut limit = Duration::from_secs(10);
    let mut output = PathBuf::from("target/examples-output/solve_benchmark.png");
    command_line::read(
        HELP,
        &mut [("time-limit", &mut limit), ("output", &mut output)],
    )?;
    let curves = run(limit, 1_000_000);
    plot(&curves)?.save(&output)?;
    let csv = output.with_extension("csv");
    write_csv(&curves, &csv)?;
    println!("Picture: {}", output.display());
    println!("Numbers: {}", csv.display());
    Ok(())
}

/// Solves a system; the array is the solution.
type Solve = fn(&Array2<f32>, &Array2<f32>) -> Result<Array2<f32>, Box<dyn Error>>;

struct Solver {
    name: &'static str,
    solve: Solve,
    /// The power of the number of points that the time grows with.
    power: i32,
    /// The memory for a matrix of so many points, in bytes.
    memory: fn(usize) -> usize,
}

const SOLVERS: [Solver; 2] = [
    Solver {
        name: "keops-solve",
        solve: solve_keops,
        power: 2,
        memory: |_| 0,
    },
    Solver {
        name: "dense Cholesky (faer)",
        solve: solve_dense,
        power: 3,
        memory: |n| n.saturating_mul(n).saturating_mul(size_of::<f32>()),
    },
];

fn solve_keops(x: &Array2<f32>, b: &Array2<f32>) -> Result<Array2<f32>, Box<dyn Error>> {
    let kinv = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(1),
        g = Pm(1)
    );
    Ok(kinv.bind(x, x, b, GAMMA).alpha(ALPHA).solve()?.values)
}

fn solve_dense(x: &Array2<f32>, b: &Array2<f32>) -> Result<Array2<f32>, Box<dyn Error>> {
    let points: Vec<[f32; 3]> = x.rows().into_iter().map(|p| [p[0], p[1], p[2]]).collect();
    let entry = |i: usize, j: usize| {
        let square = |k: usize| (points[i][k] - points[j][k]).powi(2);
        let diagonal = if i == j { ALPHA as f32 } else { 0.0 };
        (-GAMMA * (square(0) + square(1) + square(2))).exp() + diagonal
    };
    Ok(dense::solve(entry, b)?)
}

/// The times of one solver.
struct Curve {
    name: &'static str,
    /// Numbers of points, and seconds.
    times: Vec<(usize, f64)>,
    /// Why there are no more.
    ending: String,
}

/// Times all solvers, up to `largest` points and as long as a solve is predicted to take less than `limit`.
fn run(limit: Duration, largest: usize) -> Vec<Curve> {
    let sizes: Vec<usize> = (1..)
        .flat_map(|decade| [1, 2, 5].map(|k| k * 10_usize.pow(decade)))
        .take_while(|&n| n <= largest)
        .collect();
    SOLVERS
        .iter()
        .map(|solver| solver.curve(&sizes, limit))
        .collect()
}

impl Solver {
    fn curve(&self, sizes: &[usize], limit: Duration) -> Curve {
        let mut progress = Progress::new(self.name);
        let mut times: Vec<(usize, f64)> = Vec::new();
        let mut ending = "the last size".to_owned();
        println!("{}", self.name);
        for &n in sizes {
            let predicted = times.last().map_or(0.0, |&(before, seconds)| {
                seconds * (n as f64 / before as f64).powi(self.power)
            });
            let memory = (self.memory)(n);
            if memory > MEMORY {
                let gigabytes = memory as f64 / f64::from(1 << 30);
                ending = format!("N = {n} would take {gigabytes:.1} GiB");
                break;
            }
            if predicted > limit.as_secs_f64() {
                ending = format!("N = {n} would take about {predicted:.0} s");
                break;
            }
            progress.show(format_args!("N = {n}, about {predicted:.1} s"));
            match self.time(n) {
                Ok(seconds) => {
                    println!("  N = {n:>7}: {seconds:.3e} s");
                    times.push((n, seconds));
                }
                Err(error) => {
                    ending = format!("N = {n} failed: {error}");
                    break;
                }
            }
        }
        println!("  ends: {ending}");
        Curve {
            name: self.name,
            times,
            ending,
        }
    }

    /// The shortest of several times for `n` points, in seconds. Where the first alone takes long it is the only one;
    /// otherwise it counts as the warm-up.
    fn time(&self, n: usize) -> Result<f64, Box<dyn Error>> {
        let (x, b) = system(n);
        let once = || -> Result<Duration, Box<dyn Error>> {
            let started = Instant::now();
            std::hint::black_box((self.solve)(&x, &b)?);
            Ok(started.elapsed())
        };
        let mut shortest = once()?;
        let started = Instant::now();
        let mut repeats = 0;
        while repeats < MOST_REPEATS && started.elapsed() + shortest < REPEAT {
            shortest = shortest.min(once()?);
            repeats += 1;
        }
        Ok(shortest.as_secs_f64())
    }
}

/// Uniform points in the unit cube, and a normal right-hand side.
fn system(n: usize) -> (Array2<f32>, Array2<f32>) {
    let mut rng = StdRng::seed_from_u64(n as u64);
    let x = Array2::from_shape_simple_fn((n, 3), || rng.random());
    let b = Array2::from_shape_simple_fn((n, 1), || rng.sample(StandardNormal));
    (x, b)
}

fn write_csv(curves: &[Curve], path: &Path) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(File::create(path)?);
    writer.write_record(["solver", "points", "seconds"])?;
    for curve in curves {
        for (n, seconds) in &curve.times {
            writer.write_record([curve.name, &n.to_string(), &seconds.to_string()])?;
        }
    }
    Ok(writer.flush()?)
}

fn plot(curves: &[Curve]) -> Result<Picture, PictureError> {
    let all = || curves.iter().flat_map(|curve| &curve.times);
    let largest = all().map(|time| time.0).max().unwrap_or(10) as f64;
    let shortest = all().map(|time| time.1).fold(1.0, f64::min);
    let longest = all().map(|time| time.1).fold(shortest, f64::max);
    let x = Axis::logarithmic("number of points N", 7.0, 1.6 * largest);
    let y = Axis::logarithmic("time of a solve in seconds", 0.4 * shortest, 3.0 * longest);
    let title = "(α Id + K) a = b with a Gaussian kernel in 3D: time to solution";
    let mut picture = Picture::new(1000, 640, title)?;
    let heading = "σ = 0.01, α = 0.8, f32";
    let mut panel = picture.panel(heading, [0.0, 0.0, 1.0, 1.0], x, y)?;
    for (curve, colour) in curves.iter().zip([BLUE, ORANGE]) {
        let points = || curve.times.iter().map(|&(n, seconds)| (n as f64, seconds));
        panel.line(points(), colour, 2.0, curve.name)?;
        panel.dots(points(), colour, 4.0, 1.0, "")?;
    }
    let endings = curves
        .iter()
        .map(|curve| format!("{} ends: {}", curve.name, curve.ending));
    panel.notes(&endings.collect::<Vec<_>>())?;
    panel.legend()?;
    Ok(picture)
}

#[test]
fn solvers_agree() {
    let (x, b) = system(300);
    let keops = solve_keops(&x, &b).unwrap();
    let dense = solve_dense(&x, &b).unwrap();
    assert!(
        (keops - dense)
            .iter()
            .all(|difference| difference.abs() < 1e-4)
    );
}

#[test]
fn curves_end_for_a_reason() {
    let curves = run(Duration::from_secs(1), 20);
    for curve in &curves {
        let sizes: Vec<_> = curve.times.iter().map(|time| time.0).collect();
        assert_eq!(sizes, [10, 20]);
        assert_eq!(curve.ending, "the last size");
    }
    plot(&curves).unwrap();

    let never = |_: &Array2<f32>, _: &Array2<f32>| unreachable!("too large");
    let memory = |_| MEMORY + 1;
    let large = Solver {
        name: "large",
        solve: never,
        power: 2,
        memory,
    };
    assert_eq!(
        large.curve(&[10], REPEAT).ending,
        "N = 10 would take 4.0 GiB"
    );
    let slow = |_: &Array2<f32>, b: &Array2<f32>| {
        std::thread::sleep(Duration::from_millis(1));
        Ok(b.clone())
    };
    let slow = Solver {
        name: "slow",
        solve: slow,
        power: 3,
        memory: |_| 0,
    };
    let curve = slow.curve(&[10, 1_000_000], REPEAT);
    assert_eq!(curve.times.len(), 1);
    assert!(curve.ending.starts_with("N = 1000000 would take about "));
}
