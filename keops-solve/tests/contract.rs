//! The public contract, as a user would write it.

use keops_solve::ndarray::{Array1, Array2};
use keops_solve::prelude::*;

fn points(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

#[test]
fn a_reduction() {
    let conv = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(2),
        g = Pm(1),
        reduction = Sum,
        axis = 1,
    );
    let (x, y, b) = (points(37, 3, 1), points(41, 3, 2), points(41, 2, 3));
    let out: Array2<f64> = conv.bind(&x, &y, &b, 0.7).run().unwrap();
    for i in 0..37 {
        for c in 0..2 {
            let mut sum = 0.0;
            for j in 0..41 {
                let d: f64 = (0..3).map(|k| (x[(i, k)] - y[(j, k)]).powi(2)).sum();
                sum += (-0.7 * d).exp() * b[(j, c)];
            }
            assert!((out[(i, c)] - sum).abs() < 1e-13);
        }
    }
}

#[test]
fn a_solve() {
    let kinv = kernel_solve!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vj(2),
        g = Pm(1)
    );
    let (x, b) = (points(300, 2, 1), points(300, 2, 2));
    let system = kinv.bind(&x, &x, &b, 50.0);
    assert_eq!(system.formula(), kinv.formula());
    assert!(format!("{system:?}").contains(kinv.formula()));
    let solution = kinv
        .bind(&x, &x, &b, 50.0)
        .alpha(0.01)
        .eps(1e-9)
        .solve()
        .unwrap();
    let conv = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vj(2),
        g = Pm(1),
        axis = 1
    );
    let back = conv.bind(&x, &x, &solution.values, 50.0).run().unwrap() + 0.01 * &solution.values;
    assert!((back - &b).iter().all(|r| r.abs() < 1e-7));
    println!("{} iterations", solution.iterations);

    let x32 = x.mapv(|v| v as f32);
    let b32 = b.mapv(|v| v as f32);
    let solution = kinv
        .bind(&x32, &x32, &b32, 50.0)
        .alpha(0.01)
        .eps(1e-6)
        .solve()
        .unwrap();
    println!("{} iterations, {:?}", solution.iterations, solution.columns);
}

fn gaussian_kernel<'a>(
    x: &'a Array2<f64>,
    y: &'a Array2<f64>,
    sigma: f64,
) -> impl SymbolicMatrix<f64> + 'a {
    lazy!(|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / (2.0 * sigma * sigma)).exp()).bind(x, y)
}

#[test]
fn a_symbolic_matrix() {
    let x = points(100, 1, 1);
    let t = points(10, 1, 2);
    let b = Array1::from_iter(x.iter().map(|x| (6.0 * x).sin()));
    let gaussian = lazy!(|x: Vi(1), y: Vj(1), s: Pm(1)| (-(x - y).sqnorm2() / (2.0 * s * s)).exp());
    let k_xx = gaussian.bind(&x, &x, 0.1);
    let a = k_xx.rhs(&b).alpha(1.0).solve().unwrap().values;
    let mean = gaussian.bind(&t, &x, 0.1).dot(&a).unwrap();
    assert_eq!(mean.dim(), (10, 1));
    let other = gaussian_kernel(&t, &x, 0.1).dot(&a).unwrap();
    assert!((mean - other).iter().all(|d| d.abs() < 1e-14));
}

kernel_solve!(
    /// Gaussian ridge regression in the plane.
    pub GaussianSolve: "Exp(-g*SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(2), g = Pm(1)
);

#[test]
fn a_named_kernel() {
    let (x, b) = (points(20, 2, 1), points(20, 2, 2));
    let named = GaussianSolve;
    assert!(named.bind(&x, &x, &b, 1.0).alpha(1.0).solve().is_ok());
    assert_eq!(GaussianSolve.formula(), "Exp(-g*SqDist(x, y))*b");
}

#[test]
fn a_matrix_valued_kernel() {
    let elastic = kernel_solve!(
        "Exp(-SqDist(x,y))*(b + 0.5*Sum(b))",
        x = Vi(2),
        y = Vj(2),
        b = Vj(2)
    );
    let (x, b) = (points(50, 2, 1), points(50, 2, 2));
    let solution = elastic.bind(&x, &x, &b).alpha(1.0).solve().unwrap();
    assert_eq!(solution.columns.len(), 1);
}

#[test]
fn reductions_of_a_symbolic_matrix() {
    let (x, y) = (points(30, 2, 1), points(40, 2, 2));
    let distance = lazy!(|x: Vi(2), y: Vj(2)| x.sqdist(y)).bind(&x, &y);
    assert_eq!((distance.nrows(), distance.ncols()), (30, 40));
    let dense = distance.to_dense().unwrap();
    let nearest = distance.argkmin(3, 1).unwrap();
    let (least, position) = distance.min_argmin(0).unwrap();
    for i in 0..30 {
        let mut order: Vec<usize> = (0..40).collect();
        order.sort_by(|&a, &b| dense[(i, a)].total_cmp(&dense[(i, b)]));
        assert_eq!(
            nearest.slice(keops_solve::ndarray::s![i, .., 0]).to_vec(),
            order[..3]
        );
    }
    for j in 0..40 {
        assert_eq!(least[(j, 0)], dense[(position[(j, 0)], j)]);
        assert!(dense.column(j).iter().all(|&d| d >= least[(j, 0)]));
    }
    let lse = distance.t().logsumexp(1).unwrap();
    for j in 0..40 {
        let sum: f64 = dense.column(j).iter().map(|d| d.exp()).sum();
        assert!((lse[(j, 0)] - sum.ln()).abs() < 1e-13);
    }
    assert!(distance.sum(2).is_err());
}

/// From 1024 points on, a sum over a symmetric kernel with the same points on both sides computes each value once.
#[test]
fn sums_with_the_same_points_on_both_sides_are_those_of_all_pairs() {
    let over_j = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vj(3),
        g = Pm(1),
        axis = 1
    );
    let over_i = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(2),
        y = Vj(2),
        b = Vi(3),
        g = Pm(1),
        axis = 0
    );
    for n in [1023, 1090] {
        let x = Array2::from_shape_fn((n, 2), |(i, k)| ((i * (7 + 4 * k)) % 101) as f64 / 101.0);
        let b = Array2::from_shape_fn((n, 3), |(i, k)| ((i * (3 + k)) % 17) as f64 - 8.0);
        let expected = Array2::from_shape_fn((n, 3), |(i, k)| {
            let term = |j: usize| {
                let d: f64 = (0..2).map(|c| (x[(i, c)] - x[(j, c)]).powi(2)).sum();
                (-2.5 * d).exp() * b[(j, k)]
            };
            (0..n).map(term).sum::<f64>()
        });
        let close = |out: &Array2<f64>, tolerance: f64| {
            assert_eq!(out.dim(), expected.dim());
            for (a, e) in out.iter().zip(&expected) {
                assert!((a - e).abs() <= tolerance, "{n}: {a}, expected {e}");
            }
        };
        for isa in InstructionSet::available() {
            let bound = over_j.bind(&x, &x, &b, 2.5).instruction_set(isa);
            close(&bound.run().unwrap(), 1e-10);
            close(
                &over_i
                    .bind(&x, &x, &b, 2.5)
                    .instruction_set(isa)
                    .run()
                    .unwrap(),
                1e-10,
            );
            // All pairs, because the order of additions matters.
            let compensated = bound.sum_scheme(SumScheme::Kahan).run().unwrap();
            close(&compensated, 1e-11);
        }
        let (x, b) = (x.mapv(|x| x as f32), b.mapv(|b| b as f32));
        let single = over_j.bind(&x, &x, &b, 2.5).run().unwrap();
        close(&single.mapv(f64::from), 2e-3);
    }
}
