//! The kernels for vectors against the same operations on the host, at sizes around those of blocks, leaves and tiles, against a driver whose device is the processor.

use keops_solve::__private::cuda::{AddProduct, Device, Memory, Rule, Sum, Term, Vectors};
use keops_solve::ndarray::Array2;
use keops_tests::data::points;

use crate::process::Driver;

const ROWS: [usize; 8] = [0, 1, 31, 33, 128, 1024, 1025, 3000];

#[test]
fn operations_on_vectors_are_those_of_the_host() {
    let test = "vectors::operations_on_vectors_are_those_of_the_host";
    if let Some(driver) = Driver::new(test, inside) {
        driver.run();
    }
}

fn inside() {
    let device = Device::get(0).expect("a device");
    let memory = Memory::new(device).expect("memory");
    for rows in ROWS {
        products(&memory, rows);
        updates(&memory, rows);
        columns(&memory, rows);
        sums(&memory, rows);
    }
    small_systems(&memory);
    memory_is_kept(&memory);
    assert_eq!(memory.error(), None);
}

/// Numbers between -1/2 and 1/2.
fn numbers(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    points(rows, columns, seed) - 0.5
}

fn upload(memory: &Memory, values: &Array2<f64>) -> Vectors {
    memory.upload(values.as_slice().expect("rows"))
}

fn same(found: &Vectors, expected: &Array2<f64>, what: &str) {
    let expected: Vec<f64> = expected.iter().copied().collect();
    assert_eq!(found.read(), expected, "{what}");
}

/// Two at once, with few numbers and with more than an argument has room for, to the last bit: terms are added in the order of the columns.
fn products(memory: &Memory, rows: usize) {
    for (width, inner) in [(1, 1), (3, 2), (2, 5), (17, 17)] {
        let (own, other) = (numbers(rows, width, 1), numbers(rows, inner, 2));
        let (c, of_column) = (numbers(inner, width, 3), numbers(inner, 1, 4));
        let sum = |own: &Array2<f64>, c: &Array2<f64>| {
            Array2::from_shape_fn(own.dim(), |(i, j)| {
                (0..inner).fold(own[[i, j]], |sum, k| sum + other[[i, k]] * c[[k, j]])
            })
        };
        let column = numbers(rows, 1, 5);
        let (mut first, mut second) = (upload(memory, &own), upload(memory, &column));
        // By columns: the transpose, row by row.
        let transposed = other.t().as_standard_layout().into_owned();
        let (by_row, by_column) = (upload(memory, &other), upload(memory, &transposed));
        memory.add_products(
            rows,
            &mut [
                AddProduct {
                    own: &mut first,
                    width,
                    fresh: false,
                    other: by_row.by_row(inner),
                    c: c.as_slice().expect("rows"),
                },
                AddProduct {
                    own: &mut second,
                    width: 1,
                    fresh: true,
                    other: by_column.by_column(rows, inner),
                    c: of_column.as_slice().expect("rows"),
                },
            ],
        );
        let what = format!("{rows} rows, {inner} to {width} columns");
        same(&first, &sum(&own, &c), &what);
        same(&second, &sum(&Array2::zeros((rows, 1)), &of_column), &what);
        let mut third = upload(memory, &own);
        memory.add_product_of(
            rows,
            &mut third,
            width,
            by_row.by_row(inner),
            &upload(memory, &c),
        );
        same(&third, &sum(&own, &c), &what);
    }
}

fn updates(memory: &Memory, rows: usize) {
    for width in [1, 3, 300] {
        let (own, other, c) = (
            numbers(rows, width, 1),
            numbers(rows, width, 2),
            numbers(1, width, 3),
        );
        let rules: [(Rule, fn(f64, f64, f64) -> f64); 8] = [
            (Rule::Add, |own, other, c| own + c * other),
            (Rule::Subtract, |own, other, c| own - c * other),
            (Rule::Blend, |own, other, c| own + c * (other - own)),
            (Rule::Turn, |own, other, c| other + c * own),
            (Rule::Scale, |_, other, c| c * other),
            (Rule::Divide, |_, other, c| other / c),
            (Rule::Magnitude, |_, other, _| other.abs()),
            (Rule::Zero, |_, _, _| 0.0),
        ];
        for (rule, f) in rules {
            let expected = |own: &Array2<f64>, other: &Array2<f64>| {
                Array2::from_shape_fn(own.dim(), |(i, j)| f(own[[i, j]], other[[i, j]], c[[0, j]]))
            };
            let [mut first, mut second] = [&own, &other].map(|values| upload(memory, values));
            let from = upload(memory, &other);
            let updates = &mut [(&mut first, Some(&from)), (&mut second, None)];
            memory.update(updates, rule, c.as_slice().expect("rows"));
            let what = format!("{rule:?}, {rows} rows of {width}");
            same(&first, &expected(&own, &other), &what);
            same(&second, &expected(&other, &other), &what);
        }
    }
}

/// More of them than one launch takes.
fn columns(memory: &Memory, rows: usize) {
    let (own, other) = (numbers(rows, 71, 1), numbers(rows, 80, 2));
    let pairs = || (0..70).map(|k| (79 - k, k + 1));
    let mut expected = own.clone();
    for (from, to) in pairs() {
        expected.column_mut(to).assign(&other.column(from));
    }
    let (mut copy, from) = (upload(memory, &own), upload(memory, &other));
    memory.copy_columns(rows, (&mut copy, 71), (&from, 80), pairs());
    same(&copy, &expected, &format!("columns of {rows} rows"));
    same(&copy.clone(), &expected, "a copy");
}

/// Of integers, whose sums are exact, and the same bit for bit of others, whatever is asked for together with them.
fn sums(memory: &Memory, rows: usize) {
    for (wa, wb) in [(1, 1), (4, 4), (3, 3), (5, 5), (9, 9), (2, 7)] {
        let integers = |columns, seed| points(rows, columns, seed).mapv(|x| (1000.0 * x).floor());
        let (a, b) = (integers(wa, 1), integers(wb, 2));
        let (on_device, of_b) = (upload(memory, &a), upload(memory, &b));
        let (rows_of_a, rows_of_b) = (on_device.by_row(wa), of_b.by_row(wb));
        let sum = |term, a, b| Sum { term, a, b };
        let mut wanted = vec![sum(Term::Pairs, rows_of_a, rows_of_b)];
        let mut expected: Vec<f64> = a.t().dot(&b).iter().copied().collect();
        if wa == wb {
            let of_columns = |f: fn(f64, f64) -> f64| {
                let column = move |c| {
                    a.column(c)
                        .iter()
                        .zip(b.column(c))
                        .map(|(&a, &b)| f(a, b))
                        .sum()
                };
                (0..wa).map(column).collect::<Vec<f64>>()
            };
            wanted.extend(
                [Term::Same, Term::Difference, Term::Toward]
                    .map(|term| sum(term, rows_of_a, rows_of_b)),
            );
            expected.extend(of_columns.clone()(|a, b| a * b));
            expected.extend(of_columns.clone()(|a, b| (a - b) * (a - b)));
            expected.extend(of_columns.clone()(|a, b| a * (a - b)));
            expected.extend(of_columns(|a, b| (a - b) * (a - b)));
        }
        let found = memory.sums(rows, &wanted).expect("sums").take();
        assert_eq!(found, expected, "{rows} rows of {wa} and {wb}");

        let (a, b) = (numbers(rows, wa, 3), numbers(rows, wb, 4));
        let transposed = a.t().as_standard_layout().into_owned();
        let [a, b, transposed] = [&a, &b, &transposed].map(|values| upload(memory, values));
        let pairs = || sum(Term::Pairs, a.by_row(wa), b.by_row(wb));
        let together = [
            pairs(),
            sum(Term::Same, a.by_row(wa), a.by_row(wa)),
            pairs(),
        ];
        // Both are read at once.
        let (alone, others) = (memory.sums(rows, &[pairs()]), memory.sums(rows, &together));
        let (alone, others) = (alone.expect("sums").take(), others.expect("sums").take());
        assert!(others.starts_with(&alone) && others.ends_with(&alone));
        let mut left = memory.vectors(wa * wb);
        let by_column = sum(Term::Pairs, transposed.by_column(rows, wa), b.by_row(wb));
        memory.sums_to(rows, by_column, &mut left);
        assert_eq!(left.read(), alone);
    }
}

/// Of one panel and of several, the last of them full or not.
fn small_systems(memory: &Memory) {
    const PANEL: usize = 32;
    for n in [1, 2, 31, 32, 33, 64, 100] {
        for columns in [1, 3] {
            let lower = Array2::from_shape_fn((n, n), |(i, j)| match i.cmp(&j) {
                std::cmp::Ordering::Less => 0.0,
                std::cmp::Ordering::Equal => 2.0 + i as f64 / n as f64,
                std::cmp::Ordering::Greater => ((3 * i + 5 * j) % 7) as f64 / n as f64,
            });
            let both = Array2::from_shape_fn((n, n), |(i, j)| lower[[i.max(j), i.min(j)]]);
            let mut inverses = Vec::new();
            for from in (0..n).step_by(PANEL) {
                let mut inverse = Array2::<f64>::eye(PANEL);
                for c in 0..PANEL.min(n - from) {
                    for i in c..PANEL.min(n - from) {
                        let known: f64 = (c..i)
                            .map(|k| lower[[from + i, from + k]] * inverse[[k, c]])
                            .sum();
                        let unit = if i == c { 1.0 } else { 0.0 };
                        inverse[[i, c]] = (unit - known) / lower[[from + i, from + i]];
                    }
                }
                inverses.extend(inverse.iter().copied());
            }
            let solution = numbers(n, columns, 1);
            let right = lower.dot(&lower.t()).dot(&solution);
            let mut y = upload(memory, &right);
            let inverses = memory.upload(&inverses);
            memory.solve_small(&upload(memory, &both), &inverses, &mut y, columns);
            for (found, expected) in y.read().iter().zip(&solution) {
                assert!(
                    (found + expected).abs() < 1e-12,
                    "{n} rows: {found} {expected}"
                );
            }
        }
    }
}

/// What is given back is taken again, by what is a little smaller too.
fn memory_is_kept(memory: &Memory) {
    use crate::process::{Counts, Kind};
    drop(memory.vectors(12_345));
    let before = Counts::now();
    drop(memory.vectors(12_345));
    drop(memory.vectors(10_000));
    assert_eq!(Counts::now().since(before).of(Kind::Allocate), 0);
}
