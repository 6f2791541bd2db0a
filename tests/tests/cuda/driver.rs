//! The way to a device: reductions of the runtime against a driver whose device is the processor.

use std::fs;

use keops_solve::ndarray::{Array2, ArrayD};
use keops_solve::prelude::*;
use keops_tests::data::points;

use crate::process::Driver;

genred!(Nearest: "SqDist(x,y)*b + g", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), reduction = KMinArgKMin(3), axis = 1);
genred!(Likelihood: "-g*SqDist(x,y)+b", x = Vi(2), y = Vj(2), b = Vj(1), g = Pm(1), reduction = LogSumExp, axis = 0);
lazy!(Matrix: "Exp(-g*SqDist(x,y))", x = Vi(2), y = Vj(2), g = Pm(1));
genred!(Smooth: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(2), g = Pm(1), reduction = Sum, axis = 1);

#[test]
fn a_reduction_finds_its_way_to_a_device_and_back() {
    let test = "driver::a_reduction_finds_its_way_to_a_device_and_back";
    let Some(driver) = Driver::new(test, inside) else {
        return;
    };
    // Compiled, kept, and compiled again where what was kept is damaged.
    let kept = driver.run();
    let sound: Vec<_> = kept
        .iter()
        .map(|path| fs::read(path).expect("an entry"))
        .collect();
    assert_eq!(kept.len(), 6);
    assert_eq!(driver.run(), kept);
    fs::write(&kept[0], &sound[0][..sound[0].len() / 2]).expect("a writable entry");
    assert_eq!(driver.run(), kept);
    assert_eq!(fs::read(&kept[0]).expect("an entry"), sound[0]);
}

/// What runs with the driver.
fn inside() {
    let single = |rows, columns, seed| points(rows, columns, seed).mapv(|x| x as f32);
    // The columns of the last one are cut into parts.
    for (rows, columns) in [(1, 1), (200, 2), (150, 300), (3, 20_000)] {
        let (x, y, b) = (
            single(rows, 2, 1),
            single(columns, 2, 2),
            single(columns, 1, 3),
        );
        let bound = Nearest.bind(&x, &y, &b, 1.5);
        let expected = bound.clone().backend(Backend::Cpu).run().expect("a result");
        let found = bound.backend(Backend::Cuda(0)).run().expect("a result");
        assert_eq!(found.1, expected.1, "{rows} {columns}");
        let close = |(a, b): (&f32, &f32)| a == b || (a - b).abs() <= 1e-6 * b.abs();
        assert!(
            found.0.iter().zip(&expected.0).all(close),
            "{rows} {columns}"
        );
    }
    // Of several blocks, each of which meets the others once.
    let (x, b) = (single(3000, 3, 4), single(3000, 2, 5));
    let bound = Smooth.bind(&x, &x, &b, 1.5);
    let expected = bound.clone().backend(Backend::Cpu).run().expect("a result");
    let found = bound.backend(Backend::Cuda(0)).run().expect("a result");
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(55.0);
    assert!(
        found.iter().zip(&expected).all(close),
        "{found}\n{expected}"
    );

    block_sparse();
    batches();

    let (x, b) = (single(10, 2, 1), single(10, 1, 2));
    let error = Nearest
        .bind(&x, &x, &b, 1.5)
        .backend(Backend::Cuda(1))
        .run()
        .unwrap_err();
    assert!(error.to_string().contains("1 CUDA devices"), "{error}");
}

/// Clusters of points of which each meets itself and the next one.
fn ranges(clusters: &[[usize; 2]]) -> Ranges {
    let neighbors = Array2::from_shape_fn([clusters.len(); 2], |(k, l)| l == k || l == k + 1);
    Ranges::from_matrix(clusters, clusters, &neighbors).expect("ranges")
}

/// Spans of several rows for each thread and of one, with rows that have no columns, and with columns in parts.
fn block_sparse() {
    let single = |rows, columns, seed| points(rows, columns, seed).mapv(|x| x as f32);
    let short: Vec<_> = (0..90).map(|k| [33 * k, 33 * k + 33]).collect();
    let few_rows = Ranges::from_rows(&[[0, 2]], &[2], &[[0, 7], [9, 20_001]]);
    for (n, ranges) in [
        (3105, ranges(&[[3, 1500], [1500, 3100], [3101, 3102]])),
        (3000, ranges(&short)),
        (20_001, few_rows.expect("ranges")),
    ] {
        let (x, b) = (single(n, 2, 1), single(n, 1, 3));
        let bound = Nearest.bind(&x, &x, &b, 1.5).ranges(&ranges);
        let expected = bound.clone().backend(Backend::Cpu).run().expect("a result");
        let found = bound.backend(Backend::Cuda(0)).run().expect("a result");
        assert_eq!(found.1, expected.1, "{n}");
        let close = |(a, b): (&f32, &f32)| a == b || (a - b).abs() <= 1e-6 * b.abs();
        assert!(found.0.iter().zip(&expected.0).all(close), "{n}");
    }
}

/// Broadcast points, weights and parameters, with and without ranges, so few that a thread has one row.
fn batches() {
    let batch = |elements: &[usize], rows: usize, columns, seed| {
        let shape = [elements, &[rows, columns]].concat();
        let count = elements.iter().product::<usize>() * rows;
        let points = points(count, columns, seed).into_shape_with_order(shape);
        points.expect("as many points")
    };
    let close = |found: &ArrayD<f64>, expected: &ArrayD<f64>| {
        assert_eq!(found.shape(), expected.shape());
        let mut pairs = found.iter().zip(expected);
        let wrong = pairs.find(|&(a, b)| a != b && (a - b).abs() > 1e-12 * b.abs().max(1.0));
        assert_eq!(wrong, None);
    };
    let (x, y, b) = (
        batch(&[], 70, 2, 1),
        batch(&[3], 90, 2, 2),
        batch(&[4, 1], 90, 1, 3),
    );
    let g = Array2::from_shape_fn((3, 1), |(k, _)| k as f64 + 0.5);
    let ranges = Ranges::from_rows(&[[0, 30], [31, 70]], &[1, 3], &[[5, 89], [0, 1], [40, 90]]);
    let ranges = ranges.expect("ranges");
    let bound = Likelihood.bind_batch(&x, &y, &b, &g);
    for bound in [bound.clone(), bound.ranges(&ranges)] {
        let expected = bound.clone().backend(Backend::Cpu).run();
        let found = bound.backend(Backend::Cuda(0)).run();
        close(&found.expect("a result"), &expected.expect("a result"));
    }
    let v = batch(&[4, 1], 90, 1, 4);
    let bound = Matrix.bind_batch(&x, &y, &g);
    for bound in [bound.clone(), bound.ranges(&ranges)] {
        let expected = bound.clone().backend(Backend::Cpu).dot(&v);
        let found = bound.backend(Backend::Cuda(0)).dot(&v);
        close(&found.expect("a result"), &expected.expect("a result"));
    }
}
