//! The list of tasks, and how far this project means to be ahead in each.

/// Points of an element of the batch, on either side.
pub(crate) const BATCH: usize = 16;
/// Values for each row of `argkmin`.
pub(crate) const NEIGHBOURS: usize = 10;
/// Points of the small problems, on either side.
const FEW: usize = 10;

/// What is aimed at.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// PyKeOps, with its default flags, takes so many times as long.
    Ratio(f64),
    /// Ours takes so many seconds at most.
    Seconds(f64),
}

/// A task of the list.
pub(crate) struct Case {
    /// What `--only` calls it.
    pub(crate) only: &'static str,
    /// What contestants call it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) element: &'static str,
    /// Dimension of the points.
    pub(crate) d: usize,
    /// Columns of the weights.
    pub(crate) columns: usize,
    /// The instruction set that ours has to use, if not the best.
    pub(crate) isa: Option<&'static str>,
    pub(crate) target: Option<Target>,
}

/// What most tasks have in common.
const PRODUCT: Case = Case {
    only: "",
    name: "gaussian",
    title: "Gaussian product",
    element: "f32",
    d: 3,
    columns: 1,
    isa: None,
    target: None,
};

const fn times(ratio: f64) -> Option<Target> {
    Some(Target::Ratio(ratio))
}

/// A product with another kernel.
const fn kernel(only: &'static str, title: &'static str) -> Case {
    Case {
        only,
        name: only,
        title,
        target: times(20.0),
        ..PRODUCT
    }
}

/// A Gaussian product in `d` dimensions.
const fn dimensions(only: &'static str, d: usize, target: Option<Target>) -> Case {
    Case {
        only,
        d,
        target,
        ..PRODUCT
    }
}

/// A Gaussian product in a type, on an instruction set.
const fn plain(
    only: &'static str,
    element: &'static str,
    isa: Option<&'static str>,
    ratio: f64,
) -> Case {
    Case {
        only,
        element,
        isa,
        target: times(ratio),
        ..PRODUCT
    }
}

/// A search of neighbours in `d` dimensions.
const fn search(only: &'static str, name: &'static str, title: &'static str, d: usize) -> Case {
    Case {
        only,
        name,
        title,
        d,
        target: times(8.0),
        ..PRODUCT
    }
}

/// A system with the Gaussian kernel, two columns, in two dimensions: the example of the KeOps documentation.
const fn system(only: &'static str, target: Option<Target>) -> Case {
    Case {
        only,
        name: "solve",
        title: "solving a Gaussian system",
        d: 2,
        columns: 2,
        target,
        ..PRODUCT
    }
}

/// The tasks. The first [`DEFAULT`] are those of a run without `--only`.
pub(crate) const CASES: [Case; 24] = [
    plain("gaussian-f32", "f32", None, 34.0),
    plain("gaussian-f64", "f64", None, 12.0),
    system("solve", None),
    plain("gaussian-avx2-f32", "f32", Some("avx2"), 10.0),
    plain("gaussian-avx2-f64", "f64", Some("avx2"), 3.5),
    Case {
        only: "same-points",
        name: "same",
        title: "Gaussian product, the same points on both sides",
        target: times(56.0),
        ..PRODUCT
    },
    kernel("laplacian", "product with exp(-g|x-y|)"),
    kernel("matern32", "product with Matern 3/2"),
    kernel("cauchy", "product with 1 / (1 + g|x-y|^2)"),
    kernel("multiquadric", "product with the inverse multiquadric"),
    kernel("logsumexp", "log-sum-exp of -g|x-y|^2"),
    search("argmin-d3", "argmin", "nearest neighbours", 3),
    search("argmin-d10", "argmin", "nearest neighbours", 10),
    search("argkmin-d3", "argkmin", "10 nearest neighbours", 3),
    search("argkmin-d10", "argkmin", "10 nearest neighbours", 10),
    dimensions("gaussian-d10", 10, times(25.0)),
    dimensions("gaussian-d100", 100, times(45.0)),
    dimensions("gaussian-d784", 784, None),
    Case {
        only: "gaussian-100-columns",
        title: "Gaussian product, 100 columns",
        columns: 100,
        target: times(20.0),
        ..PRODUCT
    },
    kernel("gradient", "gradient of a Gaussian product by x"),
    Case {
        only: "few-rows",
        title: "Gaussian product with one row",
        ..PRODUCT
    },
    Case {
        only: "batches",
        name: "batches",
        title: "Gaussian products of a batch of 16 x 16",
        ..PRODUCT
    },
    Case {
        only: "small-call",
        target: Some(Target::Seconds(3e-6)),
        ..PRODUCT
    },
    system("small-solve", Some(Target::Seconds(20e-6))),
];
const DEFAULT: usize = 3;

impl Case {
    /// The task that `--only` calls so.
    pub(crate) fn find(only: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.only == only)
    }

    /// Rows and columns, where there are usually `n` on either side, and `solve` points of a system.
    pub(crate) fn sizes(&self, n: usize, solve: usize) -> (usize, usize) {
        match self.only {
            "solve" => (solve, solve),
            "few-rows" => (1, 500 * n),
            "batches" => (n / 2 * BATCH, n / 2 * BATCH),
            "small-call" | "small-solve" => (FEW, FEW),
            _ => (n, n),
        }
    }

    /// How often it is computed for one time, which is a mean: what takes microseconds is not timed once.
    pub(crate) fn runs(&self) -> usize {
        if self.only.starts_with("small") {
            1000
        } else {
            1
        }
    }
}

/// The tasks that are asked for, or the default ones.
pub(crate) fn chosen(only: Option<&str>) -> Vec<&'static Case> {
    match only {
        None => CASES.iter().take(DEFAULT).collect(),
        Some("all") => CASES.iter().collect(),
        Some(only) => Case::find(only).into_iter().collect(),
    }
}
