//! Compares keops-solve with its peers on this machine, and prints a report in Markdown:
//!
//!     cargo run --release -p keops-benches --bin peers
//!
//! Every contestant is a process of its own that has read the same points, runs on the same number of threads, and times
//! its own computation; starting, reading and compiling are not counted. The runner asks ours and a peer in turn,
//! several times, so that both meet the same noise. A peer that cannot be had here is reported and left out.

mod cases;
mod contest;
mod dense;
mod machine;
mod ours;
mod peers;
mod protocol;
mod record;
mod summary;
mod task;
mod worker;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use contest::Contest;
use lexopt::prelude::*;
use task::Task;

const HELP: &str =
    "Compares keops-solve with PyKeOps, C++, faer, NumPy, SciPy and scikit-learn, and prints a report in Markdown.

Usage: cargo run --release -p keops-benches --bin peers -- [OPTIONS]

  --only NAME       one task, or all of them; without it, the first three:
                    gaussian-f32 gaussian-f64 solve gaussian-avx2-f32 gaussian-avx2-f64
                    same-points laplacian matern32 cauchy multiquadric logsumexp argmin-d3
                    argmin-d10 argkmin-d3 argkmin-d10 gaussian-d10 gaussian-d100
                    gaussian-d784 gaussian-100-columns gradient few-rows (one row, 500 N
                    columns) batches (N/2 elements of 16 x 16) small-call small-solve (10
                    points on either side)
  --summary PNG     no contest, but one table and a picture of all that were recorded in
                    the directory with this number of threads, in whatever runs
  --threads N       threads (default: all cores, then one)
  --points N        points on either side of the reductions (default 20000)
  --solve-points N  points of the system (default 5000)
  --repeats N       measured pairs of each comparison (default 7)
  --time-limit S    seconds that one answer may take, after which a peer is given up, and
                    after which no further pair of a comparison is begun (default 180)
  --directory DIR   for the environment, programs and points (default target/peers)";

/// What the command line asks for.
struct Options {
    only: Option<String>,
    summary: Option<PathBuf>,
    threads: Option<usize>,
    points: usize,
    solve_points: usize,
    repeats: usize,
    time_limit: Duration,
    directory: PathBuf,
}

/// Reads the options, or prints the help and returns `None`.
fn options(arguments: Vec<OsString>) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        only: None,
        summary: None,
        threads: None,
        points: 20_000,
        solve_points: 5_000,
        repeats: 7,
        time_limit: Duration::from_secs(180),
        directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("only") => {
                let name = parser.value()?.string()?;
                if cases::chosen(Some(&name)).is_empty() {
                    return Err(format!("there is no task `{name}`").into());
                }
                options.only = Some(name);
            }
            Long("summary") => options.summary = Some(parser.value()?.into()),
            Long("threads") => options.threads = Some(positive(&mut parser)?),
            Long("points") => options.points = positive(&mut parser)?,
            Long("solve-points") => options.solve_points = positive(&mut parser)?,
            Long("repeats") => options.repeats = positive(&mut parser)?,
            Long("time-limit") => {
                options.time_limit = Duration::from_secs(positive(&mut parser)? as u64);
            }
            Long("directory") => {
                // PyKeOps compiles in a directory of its own, from where a relative path leads elsewhere.
                let path = PathBuf::from(parser.value()?);
                options.directory = std::path::absolute(&path).unwrap_or(path);
            }
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(None);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn positive(parser: &mut lexopt::Parser) -> Result<usize, lexopt::Error> {
    match parser.value()?.parse()? {
        0 => Err("expected a positive number".into()),
        number => Ok(number),
    }
}

/// Runs all contests. Only what concerns ours, or the disk, is an error.
fn report(options: &Options) -> Result<(), String> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let peers = peers::prepare(&options.directory)?;
    if let Some(path) = &options.summary {
        let threads = options.threads.unwrap_or(cores);
        println!("{}", summary::table(&options.directory, threads, &peers));
        return summary::picture(&options.directory, threads, path);
    }
    println!("{}", machine::describe());
    println!("Load average before the run: {}.\n", machine::load());
    let mut threads = match options.threads {
        Some(threads) => vec![threads],
        None => vec![cores, 1],
    };
    threads.dedup();
    for threads in threads {
        for case in cases::chosen(options.only.as_deref()) {
            let task = Task::new(case, options.points, options.solve_points);
            let contest = Contest {
                task: &task,
                threads,
                repeats: options.repeats,
                time_limit: options.time_limit,
                directory: &options.directory,
            };
            println!("{}", contest.hold(&peers)?);
        }
    }
    println!("Load average after the run: {}.", machine::load());
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let first = arguments.first().and_then(|first| first.to_str());
    let result = match first.unwrap_or_default() {
        peers::OURS => ours::serve(&arguments.split_off(1), false).map_err(|e| e.to_string()),
        peers::REVERSED => ours::serve(&arguments.split_off(1), true).map_err(|e| e.to_string()),
        peers::DENSE => dense::serve(&arguments.split_off(1)).map_err(|e| e.to_string()),
        _ => match options(arguments) {
            Ok(Some(options)) => report(&options),
            Ok(None) => Ok(()),
            Err(error) => Err(format!("{error}\n\n{HELP}")),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}
