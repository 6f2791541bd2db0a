//! Sums over the rows of blocks, wherever these are.

use ndarray::Array2;

use super::super::block;
use super::super::product::norm;
use super::Multivector::{self, Device, Host};
use crate::cuda::{self, Term};

/// Sums that are asked for.
#[derive(Clone, Copy)]
pub(in super::super) enum Wanted<'a> {
    /// An array of shape `(a.width(), b.width())` for [`Term::Pairs`], `(2, a.width())` for [`Term::Toward`], and `(1, a.width())` for the others.
    Sums(Term, &'a Multivector, &'a Multivector),
    /// An empty array.
    Nothing,
}

impl Wanted<'_> {
    fn shape(&self) -> (usize, usize) {
        match self {
            Self::Sums(Term::Pairs, a, b) => (a.width(), b.width()),
            Self::Sums(Term::Toward, a, _) => (2, a.width()),
            Self::Sums(_, a, _) => (1, a.width()),
            Self::Nothing => (0, 0),
        }
    }
}

/// Sums that have been asked for.
pub(in super::super) enum Requested<const N: usize> {
    Known([Array2<f64>; N]),
    Queued([(usize, usize); N], Option<cuda::Requested>),
}

impl<const N: usize> Requested<N> {
    /// The sums, for which the host waits if they are not there yet.
    pub(in super::super) fn take(self) -> [Array2<f64>; N] {
        match self {
            Self::Known(sums) => sums,
            Self::Queued(shapes, queued) => {
                let values = queued.map_or_else(Vec::new, cuda::Requested::take);
                // What is missing after an error is NaN.
                let mut values = values.into_iter();
                let mut next = || values.next().unwrap_or(f64::NAN);
                shapes.map(|shape| Array2::from_shape_simple_fn(shape, &mut next))
            }
        }
    }
}

/// Asks for sums, of which those of a device are taken by one launch, at most eight of them.
pub(in super::super) fn request<const N: usize>(wanted: [Wanted<'_>; N]) -> Requested<N> {
    const { assert!(N <= 8) }
    let place = wanted.iter().find_map(|wanted| match wanted {
        Wanted::Sums(_, Device { rows, entries, .. }, _) => Some((entries.memory(), *rows)),
        _ => None,
    });
    match place {
        None => Requested::Known(wanted.map(host_sums)),
        Some((memory, rows)) => {
            let sums: Vec<_> = wanted.iter().filter_map(device_sum).collect();
            let shapes = wanted.map(|wanted| wanted.shape());
            Requested::Queued(shapes, memory.sums(rows, &sums))
        }
    }
}

fn host_sums(wanted: Wanted<'_>) -> Array2<f64> {
    let Wanted::Sums(term, Host(a), Host(b)) = wanted else {
        return Array2::zeros(wanted.shape());
    };
    let row = |sums: Vec<[f64; 1]>| Array2::from_shape_fn((1, sums.len()), |(_, c)| sums[c][0]);
    match term {
        Term::Pairs => block::products(a, b),
        Term::Same => row(block::column_sums(a, b, |a, b| [a * b])),
        Term::Difference => row(block::column_sums(a, b, |a, b| [(a - b) * (a - b)])),
        Term::Toward => {
            let sums = block::column_sums(a, b, |a, b| [a * (a - b), (a - b) * (a - b)]);
            Array2::from_shape_fn((2, sums.len()), |(k, c)| sums[c][k])
        }
    }
}

fn device_sum<'a>(wanted: &Wanted<'a>) -> Option<cuda::Sum<'a>> {
    match *wanted {
        Wanted::Sums(term, a, b) => Some(cuda::Sum {
            term,
            a: a.entries()?.by_row(a.width()),
            b: b.entries()?.by_row(b.width()),
        }),
        Wanted::Nothing => None,
    }
}

/// The products `A'B` of all columns of `a` with all of `b`.
pub(in super::super) fn products(a: &Multivector, b: &Multivector) -> Array2<f64> {
    let [products] = request([Wanted::Sums(Term::Pairs, a, b)]).take();
    products
}

/// The Euclidean norm of each column.
pub(in super::super) fn norms(block: &Multivector) -> Vec<f64> {
    let [squares] = request([Wanted::Sums(Term::Same, block, block)]).take();
    roots(&squares, block)
}

/// The Euclidean norm of each column, from the sums of their squares.
pub(in super::super) fn roots(squares: &Array2<f64>, block: &Multivector) -> Vec<f64> {
    let root = |(c, &square): (usize, &f64)| match block {
        Host(block) => norm(square, || block.column(c)),
        Device { .. } => {
            let entries = std::cell::OnceCell::new();
            norm(square, || {
                let entries = entries.get_or_init(|| block.column(c));
                entries.iter().copied()
            })
        }
    };
    squares.iter().enumerate().map(root).collect()
}

/// The Euclidean norm of column `c`.
pub(in super::super) fn column_norm(block: &Multivector, c: usize) -> f64 {
    match block {
        Host(block) => norm(block.column(c).map(|v| v * v).sum(), || block.column(c)),
        Device { .. } => norms(block)[c],
    }
}
