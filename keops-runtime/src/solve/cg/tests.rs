//! The bounds of the error, step by step against the error itself.

use std::time::Instant;

use ndarray::{Array1, Array2};

use super::super::block::Block;
use super::super::cholesky::Cholesky;
use super::super::multivector::Multivector;
use super::super::options::{Preconditioner, SolveOptions};
use super::super::product::{Matrix, norms};
use super::super::system::{Criterion, Distance, System};
use super::Cg;

/// A sequence of uniform numbers in [0, 1) (SplitMix64).
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn array(&mut self, rows: usize, columns: usize) -> Array2<f64> {
        Array2::from_shape_simple_fn((rows, columns), || self.next() - 0.5)
    }
}

/// A positive semidefinite matrix: a Gaussian, an exponential or a Cauchy kernel on random points, or one of random eigenvectors with eigenvalues
/// over many orders of magnitude.
fn semidefinite(n: usize, kind: usize, random: &mut Uniform) -> Array2<f64> {
    let x = random.array(n, 1 + kind % 3);
    let g = 10.0_f64.powf(2.0 * random.next());
    if kind % 4 < 3 {
        return Array2::from_shape_fn((n, n), |(i, j)| {
            let d = &x.row(i) - &x.row(j);
            let square = g * d.dot(&d);
            match kind % 4 {
                0 => (-square).exp(),
                1 => (-square.sqrt()).exp(),
                _ => 1.0 / (1.0 + square),
            }
        });
    }
    let mut q = random.array(n, n);
    for _ in 0..2 {
        let gram = Cholesky::new(q.t().dot(&q)).unwrap();
        let mut transposed = q.reversed_axes();
        gram.half_solve(&mut transposed);
        q = transposed.reversed_axes();
    }
    let eigenvalues = Array2::from_shape_simple_fn((1, n), || 10.0_f64.powf(-6.0 * random.next()));
    (&q * &eigenvalues).dot(&q.t())
}

/// How the bounds of one system fare: the least ratio of a bound to the error, and the ratios once the error has fallen to a
/// tenth, if the least eigenvalue of the matrix is about the one that the bounds assume.
fn ratios(seed: u64) -> (f64, Vec<f64>) {
    let mut random = Uniform(seed);
    let kind = seed as usize;
    let n = 5 + (60.0 * random.next()) as usize;
    let columns = [1, 1, 2, 4][(kind / 4) % 4];
    let alpha = 10.0_f64.powf(-4.0 * random.next());
    let rank = [0, 3, n / 4, n / 2][(kind / 16) % 4];
    let k = semidefinite(n, kind, &mut random);
    let mut b = random.array(n, columns);
    if columns == 4 {
        // One column that depends on others.
        let sum = &b.column(0) + &b.column(1);
        b.column_mut(3).assign(&sum);
    }
    let a = &k + &(alpha * Array2::<f64>::eye(n));
    let mut exact = b.clone();
    Cholesky::new(a.clone()).unwrap().solve(&mut exact);
    let block = Block::from_rows(columns, b.iter().copied().collect());
    let systems = norms(&block).into_iter().enumerate().map(|(c, norm)| {
        System::new(
            c,
            1.0,
            Criterion::Residual,
            0.0,
            Distance::plain(norm, alpha),
        )
    });
    let mut cg = Cg::new(
        Matrix::new(&k, alpha),
        systems.collect(),
        Multivector::Host(block),
        Instant::now(),
    );
    let options = SolveOptions {
        alpha,
        preconditioner: match rank {
            0 => Preconditioner::None,
            _ => Preconditioner::Cholesky { rank },
        },
        ..Default::default()
    };
    assert!(cg.precondition(&options).is_ok() && cg.begin(cg.b.clone()).is_ok());
    let error = |cg: &Cg<'_>, c: usize| {
        let x = cg.x.column(c);
        let e = &exact.column(c) - &Array1::from(x);
        e.dot(&a.dot(&e)).max(0.0).sqrt()
    };
    let first: Vec<f64> = (0..columns).map(|c| error(&cg, c)).collect();
    let (mut least, mut later) = (f64::INFINITY, Vec::new());
    for _ in 0..4 * n {
        for (c, &first) in first.iter().enumerate() {
            let (error, bound) = (error(&cg, c), cg.systems[c].now.error);
            // Below that the exact solution is not exact.
            if error > 1e-6 * first {
                let ratio = bound / error;
                least = least.min(ratio);
                if error < 0.1 * first {
                    later.push(ratio);
                }
            }
        }
        if !matches!(cg.step(), Ok(true)) {
            break;
        }
    }
    let shifted = &k - &(0.1 * alpha * Array2::<f64>::eye(n));
    if Cholesky::new(shifted).is_ok() {
        later.clear();
    }
    (least, later)
}

/// Over 256 systems: kernels and random spectra, one column and several, with and without a preconditioner.
#[test]
fn errors_are_bounded_closely() {
    let (mut all, mut close) = (Vec::new(), 0);
    for seed in 0..256 {
        let (least, later) = ratios(seed);
        assert!(least > 1.0 - 1e-3, "{seed}: {least}");
        close += usize::from(!later.is_empty());
        all.extend(later);
    }
    all.sort_by(f64::total_cmp);
    let part = |percent: usize| all[all.len() * percent / 100];
    assert!(close >= 100 && all.len() > 1000);
    assert!(
        part(50) < 1.25 && part(90) < 2.0,
        "{} {}",
        part(50),
        part(90)
    );
}
