//! How many instructions the kernels take for a pair of points, counted without a clock.

mod arithmetic;
mod kernels;
mod peak;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use lexopt::prelude::*;
use rayon::prelude::*;

use arithmetic::Arithmetic;
use kernels::{KERNELS, Kernel};

const HELP: &str =
    "Counts the instructions of kernels, compiled for AVX2, for a vector of pairs, by valgrind.

Usage: cargo run --release -p keops-benches --bin instructions -- [OPTIONS]

  --check     fails where they differ from those of benches/instructions.txt by more than a tenth
  --update    writes that file
  --roofline  measures the time of each kernel on one thread beside that of fused multiply-adds, and
              prints which part of the machine's peak its instructions that compute with vectors
              reach; needs objdump";

/// Where the counts are kept.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// The part by which counts may differ from those that are kept: other versions of the compiler schedule differently.
const SLACK: f64 = 0.1;
/// Rows of a run.
const ROWS: usize = 1024;
/// Columns of two runs: what is counted is the difference, in which all that is not the loop over pairs falls out.
const COLUMNS: [usize; 2] = [256, 768];

enum Task {
    Print,
    Check,
    Update,
    Roofline,
    /// Runs one kernel, for the count.
    Run {
        kernel: String,
        columns: usize,
    },
}

fn task() -> Result<Option<Task>, lexopt::Error> {
    let mut task = Task::Print;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        task = match argument {
            Long("check") => Task::Check,
            Long("update") => Task::Update,
            Long("roofline") => Task::Roofline,
            Long("run") => Task::Run {
                kernel: parser.value()?.string()?,
                columns: parser.value()?.parse()?,
            },
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        };
    }
    Ok(Some(task))
}

fn main() -> Result<(), Box<dyn Error>> {
    match task()? {
        None => Ok(()),
        Some(Task::Run { kernel, columns }) => {
            let known = KERNELS.iter().find(|known| known.name == kernel);
            let known = known.ok_or("no such kernel")?;
            Ok((known.run)(ROWS, columns)?)
        }
        Some(Task::Print) => {
            print!("{}", written(&count_all()?));
            Ok(())
        }
        Some(Task::Update) => Ok(fs::write(GOLDEN, written(&count_all()?))?),
        Some(Task::Check) => check(&count_all()?),
        Some(Task::Roofline) => roofline(),
    }
}

/// Instructions for a vector of pairs, by the kernels' names.
type Counts = BTreeMap<&'static str, f64>;

fn count_all() -> Result<Counts, Box<dyn Error>> {
    // What else runs does not change counts by a percent.
    let counts = KERNELS.par_iter().map(|kernel| {
        let count = count(kernel).map_err(|error| error.to_string())?;
        Ok((kernel.name, count))
    });
    Ok(counts.collect::<Result<_, String>>()?)
}

/// Counts the instructions of a kernel for a vector of pairs.
fn count(kernel: &Kernel) -> Result<f64, Box<dyn Error>> {
    count_with(kernel, &["--callgrind-out-file=/dev/null"], |told| {
        let collected = told
            .lines()
            .find_map(|line| line.split_once("Collected : "));
        let (_, number) = collected.ok_or_else(|| format!("no count in {told}"))?;
        Ok(number.trim().parse()?)
    })
}

/// Counts those of them that compute with vectors.
fn count_arithmetic(kernel: &Kernel, arithmetic: &Arithmetic) -> Result<f64, Box<dyn Error>> {
    let counts = std::env::temp_dir().join(format!("keops-instructions-{}", std::process::id()));
    let file = format!("--callgrind-out-file={}", counts.display());
    let options = [&file, "--dump-instr=yes", "--compress-pos=no"];
    let count = count_with(kernel, &options, |_| arithmetic.executed(&counts));
    // Nothing is lost if it stays.
    let _ = fs::remove_file(counts);
    count
}

/// Runs a kernel under callgrind, with more and with fewer columns, and returns the difference of the numbers that `read` finds, from what valgrind tells
/// or where it writes, for a vector of pairs.
fn count_with(
    kernel: &Kernel,
    options: &[&str],
    read: impl Fn(&str) -> Result<f64, Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut counts = [0.0; 2];
    // Few points are not taken twice.
    let columns = COLUMNS.map(|columns| {
        if kernel.symmetric {
            2 * columns
        } else {
            columns
        }
    });
    for (count, columns) in counts.iter_mut().zip(columns) {
        let output = Command::new("valgrind")
            .arg("--tool=callgrind")
            .args(options)
            .arg(std::env::current_exe()?)
            .args(["--run", kernel.name, &columns.to_string()])
            .env("KEOPS_ISA", "avx2")
            .env("RAYON_NUM_THREADS", "1")
            .output()
            .map_err(|error| format!("valgrind cannot be run: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{}: {told}", kernel.name).into());
        }
        *count = read(&told)?;
    }
    let pairs = |columns: usize| match kernel.symmetric {
        true => columns * columns,
        false => ROWS * columns,
    };
    let vectors = (pairs(columns[1]) - pairs(columns[0])) as f64 / kernel.lanes as f64;
    Ok((counts[1] - counts[0]) / vectors)
}

fn written(counts: &Counts) -> String {
    let mut text = "instructions for a vector of pairs, 8 in f32 and 4 in f64, by `cargo run --release -p keops-benches --bin instructions -- --update`\n".to_owned();
    for (name, count) in counts {
        let _ = writeln!(text, "{count:8.1}  {name}");
    }
    text
}

/// Compares with the counts that are kept.
fn check(counts: &Counts) -> Result<(), Box<dyn Error>> {
    let kept = fs::read_to_string(Path::new(GOLDEN))?;
    let mut differences = String::new();
    for (name, count) in counts {
        let line = kept
            .lines()
            .find(|line| line.ends_with(&format!("  {name}")));
        let before: Option<f64> =
            line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let before = before.ok_or_else(|| format!("{name} is not in {GOLDEN}"))?;
        if (count / before - 1.0).abs() > SLACK {
            writeln!(
                differences,
                "{name}: {count:.1} instructions instead of {before:.1}"
            )?;
        }
    }
    if differences.is_empty() {
        println!(
            "{} kernels take as many instructions as before",
            counts.len()
        );
        return Ok(());
    }
    Err(format!("{differences}if that is meant, run this with --update").into())
}

/// Prints which part of the machine's peak, the fused multiply-adds that are measured beside it, each kernel reaches on one thread with its instructions that compute
/// with vectors.
fn roofline() -> Result<(), Box<dyn Error>> {
    let arithmetic = Arithmetic::of_this_program()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    println!(
        "| kernel | instructions for a vector of pairs | of these compute with vectors | Gpair/s | of the peak |"
    );
    println!("|---|---|---|---|---|");
    for kernel in KERNELS {
        const POINTS: usize = 8192;
        let count = count(kernel)?;
        let computing = count_arithmetic(kernel, &arithmetic)?;
        // SAFETY: nothing else runs here that reads or writes the environment.
        unsafe { std::env::set_var("KEOPS_ISA", "avx2") };
        let once = || -> Result<f64, Box<dyn Error>> {
            let start = Instant::now();
            pool.install(|| (kernel.run)(POINTS, POINTS))?;
            Ok(start.elapsed().as_secs_f64())
        };
        once()?;
        let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
        for _ in 0..5 {
            best = best.min(once()?);
            peak = peak.max(peak::instructions_per_second());
        }
        let speed = (POINTS * POINTS) as f64 / best;
        println!(
            "| {} | {count:.1} | {computing:.1} | {:.2} | {:.0} % |",
            kernel.name,
            speed / 1e9,
            100.0 * speed / kernel.lanes as f64 * computing / peak
        );
    }
    Ok(())
}
