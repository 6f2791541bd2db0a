//! Pullbacks of batches of reductions and of systems: those of their elements.

use super::*;

#[test]
fn gradients_of_batches_are_those_of_their_elements() {
    // (4, 1, 7, 2), (3, 5, 2), (5, 2) and (3, 1): 4 times 3 elements.
    let stack = |leading: &[usize], rows: usize, columns: usize, seed| {
        let count: usize = leading.iter().product();
        let all = points(count * rows, columns, seed);
        let shape: Vec<usize> = [leading, &[rows, columns]].concat();
        all.into_shape_with_order(shape).unwrap()
    };
    let (x, y, b) = (
        stack(&[4, 1], 7, 2, 1),
        stack(&[3], 5, 2, 2),
        points(5, 2, 3) + 0.5,
    );
    let g = points(3, 1, 4) + 0.5;
    macro_rules! check_batch {
        ($kernel:expr, $e:expr) => {
            let forward = $kernel.bind_batch(&x, &y, &b, &g).forward().unwrap();
            let run = $kernel.bind_batch(&x, &y, &b, &g).run().unwrap();
            assert_eq!(forward.value, run);
            let e = weights(&run);
            let [dx, dy, db, dg] = forward.pullback(&e).unwrap();
            let mut expected =
                [&x, &y, &b.clone().into_dyn(), &g.clone().into_dyn()].map(|a| a * 0.0);
            for l in 0..4 {
                for k in 0..3 {
                    let (x, y) = (x.slice(s![l, 0, .., ..]), y.slice(s![k, .., ..]));
                    let one = $kernel.bind(x, y, &b, g[(k, 0)]).forward().unwrap();
                    let [dx, dy, db, dg] = one.pullback(&e.slice($e(l, k))).unwrap();
                    let [sx, sy, sb, sg] = &mut expected;
                    let mut sx = sx.slice_mut(s![l, 0, .., ..]);
                    sx += &dx;
                    let mut sy = sy.slice_mut(s![k, .., ..]);
                    sy += &dy;
                    *sb += &db;
                    sg[[k, 0]] += dg[(0, 0)];
                }
            }
            for (found, expected) in [dx, dy, db, dg].iter().zip(&expected) {
                assert_eq!(found.shape(), expected.shape());
                let error = (found - expected)
                    .iter()
                    .fold(0.0, |s: f64, d| s.max(d.abs()));
                assert!(error < 1e-12, "{}: {error:e}", stringify!($kernel));
            }
        };
    }
    check_batch!(Sum1, |l, k| s![l, k, .., ..]);
    check_batch!(Attention, |l, k| s![l, k, .., ..]);
    check_batch!(Nearest, |l, k| s![l, k, .., .., ..]);

    // A number, an empty batch, and an e that does not fit.
    let forward = Sum1.bind_batch(&x, &y, &b, 1.0).forward().unwrap();
    let [.., dg] = forward.pullback(&forward.value).unwrap();
    assert_eq!(dg.shape(), [1]);
    let error = forward.pullback(&b).unwrap_err();
    assert_eq!(
        error.to_string(),
        "e: expected shape (4, 3, 7, 2), that of the value, got an array of shape (5, 2)"
    );
    let none = Array::<f64, _>::zeros((0, 5, 2));
    let forward = Sum1.bind_batch(&x, &none, &b, 1.0).forward().unwrap();
    let [dx, dy, ..] = forward.pullback(&forward.value).unwrap();
    assert_eq!(dx, &x * 0.0);
    assert_eq!(dy, none.into_dyn());
}

#[test]
fn gradients_of_batches_of_systems_are_those_of_their_elements() {
    // Points of 3 elements, right-hand sides of 4, parameters of 3: 4 times 3 systems.
    let stack = |leading: &[usize], rows: usize, columns: usize, seed| {
        let count: usize = leading.iter().product();
        let all = points(count * rows, columns, seed);
        let shape: Vec<usize> = [leading, &[rows, columns]].concat();
        all.into_shape_with_order(shape).unwrap()
    };
    let (x, b) = (stack(&[3], 20, 2, 1) * 3.0, stack(&[4, 1], 20, 2, 2));
    let g = points(3, 1, 4) + 0.5;
    macro_rules! check_batch {
        ($kernel:expr) => {
            let tolerance = Tolerance::Relative(1e-13);
            let bound = $kernel.bind_batch(&x, &x, &b, &g).alpha(0.3);
            let forward = bound.tolerance(tolerance).forward().unwrap();
            let values = &forward.solution.values;
            assert_eq!(values.shape(), [4, 3, 20, 2]);
            let e = weights(values);
            let found = forward.pullback(&e).unwrap();
            assert_eq!(found.adjoint.elements.shape(), [4, 3]);
            let of_arrays = [&x, &x, &b, &g.clone().into_dyn()];
            let mut expected = of_arrays.map(|a| a * 0.0);
            let mut alpha = 0.0;
            for l in 0..4 {
                for k in 0..3 {
                    let (x, b) = (x.slice(s![k, .., ..]), b.slice(s![l, 0, .., ..]));
                    let one = $kernel.bind(x, x, b, g[(k, 0)]).alpha(0.3);
                    let one = one.tolerance(tolerance).forward().unwrap();
                    let of_one = one.pullback(e.slice(s![l, k, .., ..])).unwrap();
                    assert_eq!(values.slice(s![l, k, .., ..]), one.solution.values);
                    let [dx, dy, db, dg] = of_one.aliases;
                    let [sx, sy, sb, sg] = &mut expected;
                    let mut sx = sx.slice_mut(s![k, .., ..]);
                    sx += &dx;
                    let mut sy = sy.slice_mut(s![k, .., ..]);
                    sy += &dy;
                    let mut sb = sb.slice_mut(s![l, 0, .., ..]);
                    sb += &db;
                    sg[[k, 0]] += dg[(0, 0)];
                    alpha += of_one.alpha;
                }
            }
            assert!((found.alpha - alpha).abs() < 1e-12 * alpha.abs());
            for (found, expected) in found.aliases.iter().zip(&expected) {
                assert_eq!(found.shape(), expected.shape());
                let error = (found - expected)
                    .iter()
                    .fold(0.0, |s: f64, d| s.max(d.abs()));
                assert!(error < 1e-12, "{}: {error:e}", stringify!($kernel));
            }
        };
    }
    check_batch!(Gauss);
    check_batch!(Laplace);
    check_batch!(Elastic);

    // In single precision, with a number, and an empty batch.
    let single = |a: &ArrayD<f64>| a.mapv(|v| v as f32);
    let (x32, b32) = (single(&x), single(&b));
    let forward = Gauss.bind_batch(&x32, &x32, &b32, 1.0).forward().unwrap();
    let gradients = forward.pullback(&forward.solution.values).unwrap();
    assert_eq!(gradients.aliases[3].shape(), [1]);
    let none = Array::<f64, _>::zeros((0, 1, 20, 2));
    let forward = Gauss.bind_batch(&x, &x, &none, 1.0).forward().unwrap();
    let gradients = forward.pullback(&forward.solution.values).unwrap();
    assert_eq!((gradients.aliases[0].sum(), gradients.alpha), (0.0, 0.0));
}

#[test]
fn an_e_that_does_not_fit_batches_of_systems_is_refused() {
    let (x, b) = (points(9, 2, 1), points(9, 2, 2));
    let g = points(3, 1, 4) + 0.5;
    let forward = Gauss.bind_batch(&x, &x, &b, &g).alpha(0.3).forward();
    let forward = forward.unwrap();
    assert_eq!(
        forward.pullback(&b).unwrap_err().to_string(),
        "e: expected shape (3, 9, 2), that of the solutions, got an array of shape (9, 2)"
    );
    let mut e = forward.solution.values.clone();
    e[[1, 4, 0]] = f64::NAN;
    let error = forward.pullback(&e).unwrap_err().to_string();
    assert!(error.starts_with("element (1,): e"), "{error}");
    // Systems that were not solved have no gradients.
    let limited = Gauss
        .bind_batch(&x, &x, &b, &g)
        .alpha(0.3)
        .max_iterations(0);
    assert!(matches!(
        limited.forward().unwrap_err(),
        BatchSolveError::Unconverged(_)
    ));
}
