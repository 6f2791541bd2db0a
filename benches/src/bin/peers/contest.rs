//! One table: a task, all contestants, the same number of threads.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::peers::{ONE_THREAD, Peer};
use crate::record::{Line, Record};
use crate::task::Task;
use crate::worker::Worker;

/// A task for all contestants.
pub(crate) struct Contest<'a> {
    pub(crate) task: &'a Task,
    pub(crate) threads: usize,
    pub(crate) repeats: usize,
    pub(crate) time_limit: Duration,
    pub(crate) directory: &'a Path,
}

/// How a peer fared: seconds of its runs and of ours beside them, and the error.
struct Outcome {
    first: f64,
    pairs: Vec<(f64, f64)>,
    error: f64,
    versions: String,
}

impl Contest<'_> {
    /// Holds the contest, keeps its [`Record`], and reports on it in Markdown.
    ///
    /// # Errors
    /// If our contestant fails, or the points cannot be written.
    pub(crate) fn hold(&self, peers: &[Peer]) -> Result<String, String> {
        let task = self.task;
        let title = task.title(self.threads);
        eprintln!("{title}");
        let points = self.directory.join("points");
        task.write(&points)?;

        let mut ours = self.start(&peers[0])?;
        let result = points.join("result");
        let our_error = task.error_of(&ours.result(&result, task.width())?);
        let mut rows = String::new();
        let mut our_seconds = vec![];
        let mut notes = vec![ours.versions.clone()];
        let mut lines = vec![];
        let takes_part =
            |peer: &&Peer| (peer.takes)(task) && (self.threads > 1 || peer.name != ONE_THREAD);
        for peer in peers[1..].iter().filter(takes_part) {
            eprintln!("  {}", peer.name);
            let outcome = self.start(peer).and_then(|mut theirs| {
                let mut pairs = vec![];
                let start = Instant::now();
                while pairs.len() < self.repeats
                    && (pairs.is_empty() || start.elapsed() < self.time_limit)
                {
                    pairs.push((ours.run()?, theirs.run()?));
                }
                Ok(Outcome {
                    first: theirs.first,
                    error: task.error_of(&theirs.result(&result, task.width())?),
                    versions: theirs.versions.clone(),
                    pairs,
                })
            });
            match outcome {
                Ok(outcome) => {
                    our_seconds.extend(outcome.pairs.iter().map(|pair| pair.0));
                    let theirs = median(outcome.pairs.iter().map(|pair| pair.1));
                    let ratios: Vec<f64> =
                        outcome.pairs.iter().map(|pair| pair.1 / pair.0).collect();
                    let (least, most) = ratios
                        .iter()
                        .fold((f64::INFINITY, 0.0_f64), |(a, b), &r| (a.min(r), b.max(r)));
                    let middle = median(ratios.iter().copied());
                    let ratio = format!("{middle:.2} ({least:.2} to {most:.2})");
                    lines.push(Line::new(peer.name, theirs, middle, outcome.error));
                    rows += &self.row(peer.name, theirs, &ratio, outcome.first, outcome.error);
                    if !notes.contains(&outcome.versions) {
                        notes.push(outcome.versions);
                    }
                }
                Err(reason) => {
                    // If it was ours that failed, it fails again.
                    ours.run()?;
                    eprintln!("  skipped: {reason}");
                    lines.push(Line::skipped(peer.name, &reason));
                    let _ = writeln!(rows, "| {} | skipped: {reason} | | | | |", peer.name);
                }
            }
        }
        if our_seconds.is_empty() {
            for _ in 0..self.repeats {
                our_seconds.push(ours.run()?);
            }
        }

        let (rate, error) = if task.is_solve() {
            ("", task.error)
        } else {
            ("Gpair/s", task.error)
        };
        let mut table = format!(
            "### {}{}\n\n| | seconds | {rate} | times ours, paired (least to most) | first call, s | {error} |\n|---|---|---|---|---|---|\n",
            title[..1].to_uppercase(),
            &title[1..],
        );
        let seconds = median(our_seconds);
        lines.insert(0, Line::new(peers[0].name, seconds, 1.0, our_error));
        Record {
            pairs: (!task.is_solve()).then(|| task.pairs()),
            lines,
        }
        .save(self.directory, task.case.only, self.threads)?;
        table += &self.row(peers[0].name, seconds, "1", ours.first, our_error);
        let _ = writeln!(table, "{rows}\n{}.", notes.join("; "));
        Ok(table)
    }

    /// Starts a contestant; its first run is not counted, nor is one more to warm up where that is a matter of seconds.
    fn start(&self, peer: &Peer) -> Result<Worker, String> {
        peer.forget()?;
        let points = self.directory.join("points");
        let mut command = peer.command(self.threads)?;
        command.args(self.task.arguments(&points));
        if let Some(isa) = self.task.case.isa {
            command.env("KEOPS_ISA", isa);
        }
        let mut worker = Worker::start(&mut command, self.time_limit, self.task.case.runs())?;
        if worker.first < 20.0 {
            worker.run()?;
        }
        Ok(worker)
    }

    fn row(&self, name: &str, seconds: f64, ratio: &str, first: f64, error: f64) -> String {
        let rate = if self.task.is_solve() {
            String::new()
        } else {
            format!("{:.3}", self.task.pairs() / seconds / 1e9)
        };
        let seconds = scientific(seconds);
        format!("| {name} | {seconds} | {rate} | {ratio} | {first:.3} | {error:.1e} |\n")
    }
}

/// Seconds with four digits, of which small ones are left.
pub(crate) fn scientific(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{seconds:.2e}")
    } else {
        format!("{seconds:.4}")
    }
}

/// The median; NaN of nothing.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => (values[(n - 1) / 2] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
