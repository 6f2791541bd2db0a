//! What is computed: the tasks, their points, and their truths.

use std::fs;
use std::path::Path;

use keops_benches::{data, reference};
use keops_solve::ndarray::{Array2, Axis, s};

use crate::cases::{BATCH, Case, NEIGHBOURS};

/// The truth is computed for about this many rows, evenly spaced.
const JUDGED: usize = 500;

/// What is computed, on which points.
pub(crate) struct Task {
    pub(crate) case: &'static Case,
    gamma: f64,
    alpha: f64,
    eps: f64,
    x: Array2<f64>,
    y: Array2<f64>,
    b: Array2<f64>,
    /// How the error is measured.
    pub(crate) error: &'static str,
    /// Rows that are judged, and the truth for them.
    judged: Vec<usize>,
    truth: Array2<f64>,
}

impl Task {
    /// A task of the list with `n` points on either side of a reduction, `solve` points of a system.
    ///
    /// Points are uniform in the unit cube, and no term underflows: `gamma` is 10 in three dimensions and falls with their number, as squared
    /// distances grow. The solve is the example of the KeOps documentation: sigma 0.1, alpha 0.01, a residual of root mean square 1e-6.
    pub(crate) fn new(case: &'static Case, n: usize, solve: usize) -> Self {
        let (d, seed) = (case.d, if case.name == "same" { 1 } else { 2 });
        let (rows, columns) = case.sizes(n, solve);
        let system = case.name == "solve";
        let x = data::uniform(rows, d, if system { 4 } else { 1 });
        let y = if system {
            x.clone()
        } else {
            data::uniform(columns, d, seed)
        };
        let mut task = Self {
            case,
            gamma: if system { 50.0 } else { 30.0 / d as f64 },
            alpha: if system { 0.01 } else { 0.0 },
            eps: if system { 1e-6 } else { 0.0 },
            b: data::uniform(columns, case.columns, if system { 5 } else { 3 }),
            x,
            y,
            error: match case.name {
                "solve" => "true residual (rms)",
                "gradient" => "largest error, of the largest entry",
                "argmin" | "argkmin" => "largest relative error of a squared distance",
                _ => "largest relative error",
            },
            judged: (0..rows).step_by((rows / JUDGED).max(1)).collect(),
            truth: Array2::zeros((0, 0)),
        };
        if !system {
            task.truth = task.compute_truth();
        }
        task
    }

    pub(crate) fn is_solve(&self) -> bool {
        self.case.name == "solve"
    }

    /// Whether a contestant that is made for Gaussian products in three dimensions with one column can take part.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.case.name, "gaussian" | "same") && self.x.ncols() == 3 && self.b.ncols() == 1
    }

    /// The name that contestants know.
    pub(crate) fn name(&self) -> &'static str {
        self.case.name
    }

    /// Pairs that are reduced.
    pub(crate) fn pairs(&self) -> f64 {
        let columns = if self.case.name == "batches" {
            BATCH
        } else {
            self.y.nrows()
        };
        self.x.nrows() as f64 * columns as f64
    }

    /// Columns of the result.
    pub(crate) fn width(&self) -> usize {
        match self.case.name {
            "argkmin" => NEIGHBOURS,
            "argmin" | "logsumexp" => 1,
            "gradient" => self.x.ncols(),
            _ => self.b.ncols(),
        }
    }

    /// How tables call it.
    pub(crate) fn title(&self, threads: usize) -> String {
        let (m, n, d) = (self.x.nrows(), self.y.nrows(), self.x.ncols());
        let sizes = match self.case.name {
            "batches" => format!("{} elements", m / BATCH),
            _ if m == n => format!("N = {n}"),
            _ => format!("M = {m}, N = {n}"),
        };
        let system = if self.is_solve() {
            let (alpha, eps, columns) = (self.alpha, self.eps, self.b.ncols());
            format!(", alpha = {alpha}, eps = {eps:e}, {columns} columns")
        } else {
            String::new()
        };
        let s = if threads == 1 { "" } else { "s" };
        let (title, element) = (self.case.title, self.case.element);
        let isa = self
            .case
            .isa
            .map_or(String::new(), |isa| format!(", ours on {isa}"));
        format!("{title}{system}: {sizes}, D = {d}, {element}{isa}, {threads} thread{s}")
    }

    /// Writes the points where contestants read them.
    ///
    /// # Errors
    /// Those of writing files.
    pub(crate) fn write(&self, points: &Path) -> Result<(), String> {
        for (name, array) in [("x", &self.x), ("y", &self.y), ("b", &self.b)] {
            fs::create_dir_all(points)
                .and_then(|()| data::write(&points.join(name), array))
                .map_err(|error| format!("{}: {error}", points.display()))?;
        }
        Ok(())
    }

    /// The arguments of the contestants.
    pub(crate) fn arguments(&self, directory: &Path) -> Vec<String> {
        vec![
            self.case.name.to_owned(),
            self.case.element.to_owned(),
            directory.display().to_string(),
            self.x.ncols().to_string(),
            self.b.ncols().to_string(),
            self.gamma.to_string(),
            self.alpha.to_string(),
            self.eps.to_string(),
        ]
    }

    fn compute_truth(&self) -> Array2<f64> {
        let gamma = self.gamma;
        let x = self.x.select(Axis(0), &self.judged);
        let (y, b) = (self.y.view(), self.b.view());
        let sum = |kernel: &(dyn Fn(f64) -> f64 + Sync)| reference::product(x.view(), y, b, kernel);
        match self.case.name {
            "laplacian" => sum(&|d| (-gamma * d.sqrt()).exp()),
            "matern32" => sum(&|d| (1.0 + gamma * d.sqrt()) * (-gamma * d.sqrt()).exp()),
            "cauchy" => sum(&|d| (1.0 + gamma * d).recip()),
            "multiquadric" => sum(&|d| (1.0 + gamma * d).sqrt().recip()),
            "logsumexp" => {
                let ones = Array2::ones((y.nrows(), 1));
                let sums = reference::product(x.view(), y, ones.view(), &|d| (-gamma * d).exp());
                sums.mapv(f64::ln)
            }
            "argmin" | "argkmin" => reference::smallest(x.view(), y, self.width()),
            "gradient" => {
                // With weights b and b y: -2 g (x sum_j k b - sum_j k b y).
                let (d, n) = (x.ncols(), y.nrows());
                let weights = Array2::from_shape_fn((n, d + 1), |(j, k)| {
                    b[(j, 0)] * if k < d { y[(j, k)] } else { 1.0 }
                });
                let kernel = |d: f64| (-gamma * d).exp();
                let sums = reference::product(x.view(), y, weights.view(), &kernel);
                Array2::from_shape_fn(x.dim(), |(i, k)| {
                    -2.0 * gamma * (x[(i, k)] * sums[(i, d)] - sums[(i, k)])
                })
            }
            "batches" => {
                let mut truth = Array2::zeros((self.judged.len(), b.ncols()));
                for (row, &i) in self.judged.iter().enumerate() {
                    let element = i / BATCH * BATCH..(i / BATCH + 1) * BATCH;
                    let (y, b) = (y.slice(s![element.clone(), ..]), b.slice(s![element, ..]));
                    let x = x.slice(s![row..row + 1, ..]);
                    let value = reference::product(x, y, b, &|d| (-gamma * d).exp());
                    truth.row_mut(row).assign(&value.row(0));
                }
                truth
            }
            _ => sum(&|d| (-gamma * d).exp()),
        }
    }

    /// The error of a result, as [`Task::error`] says; NaN for one of another shape.
    pub(crate) fn error_of(&self, values: &Array2<f64>) -> f64 {
        if values.dim() != (self.x.nrows(), self.width()) {
            return f64::NAN;
        }
        if self.is_solve() {
            let (x, b) = (self.x.view(), self.b.view());
            return reference::residual(x, values.view(), b, self.gamma, self.alpha);
        }
        let mut judged = values.select(Axis(0), &self.judged);
        if let "argmin" | "argkmin" = self.case.name {
            for ((row, _), value) in judged.indexed_iter_mut() {
                let neighbour = (*value as usize).min(self.y.nrows() - 1);
                let difference = &self.x.row(self.judged[row]) - &self.y.row(neighbour);
                *value = difference.dot(&difference);
            }
        }
        if self.case.name == "gradient" {
            let largest = self.truth.iter().fold(0.0_f64, |most, t| most.max(t.abs()));
            let errors = judged
                .iter()
                .zip(&self.truth)
                .map(|(v, t)| (v - t).abs() / largest);
            return errors.fold(
                0.0,
                |worst, error| if error <= worst { worst } else { error },
            );
        }
        reference::relative_error(judged.view(), self.truth.view())
    }
}
