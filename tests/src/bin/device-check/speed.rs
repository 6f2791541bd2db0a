//! How long products and solves take.

use std::time::Instant;

use keops_solve::ndarray::Array2;
use keops_solve::prelude::*;
use keops_solve::solve::{self, Precision};
use keops_tests::data::points;

use super::{GaussianMatrix, OnHost, WideMatrix, typed};

/// Measures products and solves with at most so many points, and prints what comes of it.
pub(crate) fn speed(cuda: Backend, largest: usize) -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "\nbest of five products: arrays to the device and back, and with points that stay there"
    );
    let sizes = |sizes: &'static [usize]| sizes.iter().copied().filter(move |&n| n <= largest);
    for n in sizes(&[1000, 10_000, 100_000, 1_000_000]) {
        let (x, b) = (single(n, 3, 1), single(n, 1, 2));
        let matrix = GaussianMatrix.bind(&x, &x, 3.0).backend(cuda);
        product("D = 3, f32", &matrix, &b)?;
    }
    for n in sizes(&[10_000, 100_000]) {
        let (x, b) = (points(n, 3, 1), points(n, 1, 2));
        let matrix = GaussianMatrix.bind(&x, &x, 3.0).backend(cuda);
        product("D = 3, f64", &matrix, &b)?;
        let (x, b) = (single(n, 100, 1), single(n, 1, 2));
        let matrix = WideMatrix.bind(&x, &x, 0.06).backend(cuda);
        product("D = 100, f32", &matrix, &b)?;
    }
    println!("\nbest of three solves: gamma = 0.5 / 0.01^2, alpha = 0.8, eps = 1e-6, D = 3, f32");
    for n in sizes(&[100, 1000, 10_000, 100_000, 1_000_000]) {
        let (x, b) = (single(n, 3, 1), single(n, 1, 2));
        let matrix = GaussianMatrix.bind(&x, &x, 0.5 / 0.01f32.powi(2));
        let resident = || matrix.rhs(&b).alpha(0.8).solve();
        let solution = resident()?;
        let rank = solution.preconditioner.as_ref().map_or(0, |made| made.rank);
        // The largest takes long enough to be timed once.
        let times = if n < 1_000_000 { 3 } else { 1 };
        let best = best_of(times, || resident().map(drop))?;
        let plain = || {
            matrix
                .rhs(&b)
                .alpha(0.8)
                .preconditioner(Preconditioner::None)
        };
        let plain = best_of(times, || plain().solve().map(drop))?;
        // Of what is neither a product nor a preconditioner's entries the operations between products are the rest.
        let operator = matrix.operator()?;
        let on_host = || {
            let options = SolveOptions {
                alpha: 0.8,
                preconditioner: Preconditioner::None,
                ..Default::default()
            };
            solve::solve(&OnHost(&operator), b.view(), None, options)
        };
        let on_host = best_of(times, || on_host().map(drop))?;
        let (wide, mut out) = (b.mapv(f64::from), Array2::zeros(b.dim()));
        let mut product = |precision| {
            best_of(times, || {
                operator.apply(precision, wide.view(), out.view_mut())
            })
            .map_err(|error| error.to_string())
        };
        let times = [product(Precision::Working)?, product(Precision::Double)?];
        let products = [solution.products.working, solution.products.double];
        let entries = solution
            .preconditioner
            .as_ref()
            .map_or(0, |report| report.entries);
        println!(
            "N = {n}: {:.3} ms, without a preconditioner {:.3} ms, and with vectors on the host {:.3} ms; {} iterations, rank {rank}, {entries} entries, residual {:.1e}; {} products of {:.3} ms, {} \
             in double precision of {:.3} ms",
            1e3 * best,
            1e3 * plain,
            1e3 * on_host,
            solution.iterations,
            solution.columns[0].rms,
            products[0],
            1e3 * times[0],
            products[1],
            1e3 * times[1],
        );
    }
    Ok(())
}

fn single(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    typed(rows, columns, seed, |x| x as f32)
}

/// The least duration of so many calls, in seconds.
fn best_of<E>(times: usize, mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64());
    }
    Ok(best)
}

fn product<T: Element>(
    what: &str,
    matrix: &impl SymbolicMatrix<T>,
    b: &Array2<T>,
) -> Result<(), Box<dyn std::error::Error>> {
    let n = b.nrows();
    matrix.dot(b)?;
    let whole = best_of(5, || matrix.dot(b).map(drop))?;
    let operator = matrix.operator()?;
    let (b, mut out) = (b.map(|&b| b.to_f64()), Array2::zeros(b.dim()));
    let mut kept = || operator.apply(Precision::Working, b.view(), out.view_mut());
    kept().map_err(|error| error.to_string())?;
    let kept = best_of(5, kept).map_err(|error| error.to_string())?;
    let rate = |seconds: f64| (n as f64).powi(2) / seconds * 1e-9;
    println!(
        "{what}, N = {n}: {:.3} ms, {:.1} Gpair/s; kept {:.3} ms, {:.1} Gpair/s",
        1e3 * whole,
        rate(whole),
        1e3 * kept,
        rate(kept)
    );
    Ok(())
}
