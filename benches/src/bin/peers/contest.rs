//! One table: a task, all contestants, the same number of threads.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use keops_benches::{data, reference};
use keops_solve::ndarray::Array2;

use crate::peers::Peer;
use crate::worker::Worker;

/// What is computed, on which points.
pub(crate) struct Task {
    name: &'static str,
    element: &'static str,
    gamma: f64,
    alpha: f64,
    eps: f64,
    x: Array2<f64>,
    y: Array2<f64>,
    b: Array2<f64>,
}

impl Task {
    /// `sum_j exp(-10 |x_i - y_j|^2) b_j`, `n` points on either side, uniform in the unit cube: no term underflows.
    pub(crate) fn product(element: &'static str, n: usize) -> Self {
        Self {
            name: "product",
            element,
            gamma: 10.0,
            alpha: 0.0,
            eps: 0.0,
            x: data::uniform(n, 3, 1),
            y: data::uniform(n, 3, 2),
            b: data::uniform(n, 1, 3),
        }
    }

    /// The example of the KeOps documentation for its solver: `n` points uniform in the unit square, sigma 0.1, alpha 0.01,
    /// two right-hand sides, to a residual of root mean square 1e-6.
    pub(crate) fn solve(element: &'static str, n: usize) -> Self {
        let x = data::uniform(n, 2, 4);
        Self {
            name: "solve",
            element,
            gamma: 0.5 / (0.1 * 0.1),
            alpha: 0.01,
            eps: 1e-6,
            y: x.clone(),
            x,
            b: data::uniform(n, 2, 5),
        }
    }

    fn is_solve(&self) -> bool {
        self.name == "solve"
    }

    fn title(&self, threads: usize) -> String {
        let (n, d) = self.x.dim();
        let what = if self.is_solve() {
            let (alpha, eps, columns) = (self.alpha, self.eps, self.b.ncols());
            format!("solving a Gaussian system, alpha = {alpha}, eps = {eps:e}, {columns} columns")
        } else {
            "Gaussian product".to_owned()
        };
        let s = if threads == 1 { "" } else { "s" };
        format!(
            "{what}: N = {n}, D = {d}, {}, {threads} thread{s}",
            self.element
        )
    }

    /// The arguments of the contestants.
    fn arguments(&self, directory: &Path) -> Vec<String> {
        vec![
            self.name.to_owned(),
            self.element.to_owned(),
            directory.display().to_string(),
            self.x.ncols().to_string(),
            self.b.ncols().to_string(),
            self.gamma.to_string(),
            self.alpha.to_string(),
            self.eps.to_string(),
        ]
    }
}

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
    /// Holds the contest, and reports on it in Markdown.
    ///
    /// # Errors
    /// If our contestant fails, or the points cannot be written.
    pub(crate) fn hold(&self, peers: &[Peer]) -> Result<String, String> {
        let task = self.task;
        let title = task.title(self.threads);
        eprintln!("{title}");
        let points = self.directory.join("points");
        for (name, array) in [("x", &task.x), ("y", &task.y), ("b", &task.b)] {
            fs::create_dir_all(&points)
                .and_then(|()| data::write(&points.join(name), array))
                .map_err(|error| format!("{}: {error}", points.display()))?;
        }
        // One residual is computed for each solution, the truth of a product once for all.
        let truth = (!task.is_solve())
            .then(|| reference::gaussian(task.x.view(), task.y.view(), task.b.view(), task.gamma));
        let error = |values: Array2<f64>| match &truth {
            _ if values.dim() != (task.x.nrows(), task.b.ncols()) => f64::NAN,
            Some(truth) => reference::relative_error(values.view(), truth.view()),
            None => reference::residual(
                task.x.view(),
                values.view(),
                task.b.view(),
                task.gamma,
                task.alpha,
            ),
        };

        let mut ours = self.start(&peers[0])?;
        let result = points.join("result");
        let our_error = error(ours.result(&result, task.b.ncols())?);
        let mut rows = String::new();
        let mut our_seconds = vec![];
        let mut notes = vec![ours.versions.clone()];
        for peer in peers[1..]
            .iter()
            .filter(|peer| peer.solves || !task.is_solve())
        {
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
                    error: error(theirs.result(&result, task.b.ncols())?),
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
                    let ratio = format!(
                        "{:.2} ({least:.2} to {most:.2})",
                        median(ratios.iter().copied())
                    );
                    rows += &self.row(peer.name, theirs, &ratio, outcome.first, outcome.error);
                    if !notes.contains(&outcome.versions) {
                        notes.push(outcome.versions);
                    }
                }
                Err(reason) => {
                    // If it was ours that failed, it fails again.
                    ours.run()?;
                    eprintln!("  skipped: {reason}");
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
            ("", "true residual (rms)")
        } else {
            ("Gpair/s", "largest relative error")
        };
        let mut table = format!(
            "### {}{}\n\n| | seconds | {rate} | times ours, paired (least to most) | first call, s | {error} |\n|---|---|---|---|---|---|\n",
            title[..1].to_uppercase(),
            &title[1..],
        );
        table += &self.row(
            peers[0].name,
            median(our_seconds),
            "1",
            ours.first,
            our_error,
        );
        let _ = writeln!(table, "{rows}\n{}.", notes.join("; "));
        Ok(table)
    }

    /// Starts a contestant; its first run is not counted, nor is one more to warm up where that is a matter of seconds.
    fn start(&self, peer: &Peer) -> Result<Worker, String> {
        peer.forget()?;
        let points = self.directory.join("points");
        let mut command = peer.command(self.threads)?;
        command.args(self.task.arguments(&points));
        let mut worker = Worker::start(&mut command, self.time_limit)?;
        if worker.first < 20.0 {
            worker.run()?;
        }
        Ok(worker)
    }

    fn row(&self, name: &str, seconds: f64, ratio: &str, first: f64, error: f64) -> String {
        let rate = if self.task.is_solve() {
            String::new()
        } else {
            let pairs = self.task.x.nrows() as f64 * self.task.y.nrows() as f64;
            format!("{:.3}", pairs / seconds / 1e9)
        };
        format!("| {name} | {seconds:.4} | {rate} | {ratio} | {first:.3} | {error:.1e} |\n")
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
