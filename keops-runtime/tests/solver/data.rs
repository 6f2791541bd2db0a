//! Real data, and the systems of kernel ridge regression on them; see `data/make.py`.

use ndarray::{Array2, Axis};

/// A system `(alpha Id + exp(-g |x_i - x_j|^2)) a = b`.
pub(crate) struct Problem {
    pub(crate) k: Array2<f64>,
    pub(crate) alpha: f64,
    /// A column for each right-hand side.
    pub(crate) b: Array2<f64>,
}

impl Problem {
    fn new(x: &Array2<f64>, b: Array2<f64>, g: f64, alpha: f64) -> Self {
        let products = x.dot(&x.t());
        let squares = products.diag().to_owned();
        let k = Array2::from_shape_fn(products.dim(), |(i, j)| {
            (-g * (squares[i] + squares[j] - 2.0 * products[[i, j]]).max(0.0)).exp()
        });
        Self { k, alpha, b }
    }
}

/// Numbers, row by row, in so many columns, of which the last is the target.
fn table(text: &str, columns: usize) -> (Array2<f64>, Array2<f64>) {
    let numbers: Vec<f64> = text
        .split([',', '\n'])
        .filter_map(|number| number.parse().ok())
        .collect();
    let rows = Array2::from_shape_vec((numbers.len() / columns, columns), numbers);
    let rows = rows.expect("a full table");
    let (x, target) = rows.view().split_at(Axis(1), columns - 1);
    (x.to_owned(), target.to_owned())
}

/// With mean 0 and standard deviation 1 in each column.
fn standardised(x: &Array2<f64>) -> Array2<f64> {
    let n = x.nrows() as f64;
    let centred = x - &(x.sum_axis(Axis(0)) / n);
    let deviation = (&centred * &centred).sum_axis(Axis(0)) / n;
    centred / deviation.mapv(f64::sqrt)
}

fn signs(classes: &Array2<f64>) -> Array2<f64> {
    classes.mapv(|class| if class == 0.0 { -1.0 } else { 1.0 })
}

/// The progression of a disease of 442 patients.
pub(crate) fn diabetes() -> Problem {
    let (x, target) = table(include_str!("../data/diabetes.csv"), 11);
    Problem::new(&standardised(&x), standardised(&target), 0.05, 0.1)
}

/// The class of 569 tumours.
pub(crate) fn breast_cancer() -> Problem {
    let (x, target) = table(include_str!("../data/breast_cancer.csv"), 31);
    Problem::new(&standardised(&x), signs(&target), 1.0 / 30.0, 0.01)
}

/// The carbon dioxide in the atmosphere in 2225 weeks, over the years from the first.
pub(crate) fn co2() -> Problem {
    let text = include_str!("../../../examples/data/co2_weekly.csv");
    let (years, target) = table(text.split_once('\n').expect("headings").1, 2);
    let (first, year) = (years[[0, 0]], 365.25 / 7.0);
    let weeks = years.mapv(|t| ((t - first) * year).round());
    Problem::new(&(weeks / year), standardised(&target), 0.5, 0.001)
}

/// 1797 handwritten digits, each of the ten against the rest.
pub(crate) fn digits() -> Problem {
    let lines: Vec<_> = include_str!("../data/digits.txt").lines().collect();
    let level = |byte: u8| f64::from((byte as char).to_digit(17).expect("a grey level")) / 16.0;
    let x = Array2::from_shape_fn((lines.len(), 64), |(i, k)| level(lines[i].as_bytes()[k]));
    let b = Array2::from_shape_fn((lines.len(), 10), |(i, digit)| {
        let class = u32::from(lines[i].as_bytes()[65] - b'0');
        if class == digit as u32 { 1.0 } else { -1.0 }
    });
    Problem::new(&x, b, 0.05, 0.01)
}
