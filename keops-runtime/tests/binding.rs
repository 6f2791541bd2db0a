//! Which arrays `bind` takes, how the element type is inferred from them, and what is said about those that do not fit.

mod kernels;

use keops_runtime::operation::Sum;
use keops_runtime::{Axis, BoundReduction, Element, Error, IntoParams, IntoPoints};
use kernels::{CAUCHY, Cauchy, PLAIN, Plain};
use ndarray::{Array1, Array2, ArrayView2, arr2, array};

/// `b / (1 + g |x - y|^2)` as a macro would expand it.
struct Formula;

impl Formula {
    fn bind<'a, T: Element>(
        &self,
        x: impl IntoPoints<'a, T>,
        y: impl IntoPoints<'a, T>,
        b: impl IntoPoints<'a, T>,
        g: impl IntoParams<'a, T>,
    ) -> BoundReduction<'a, T, Cauchy, Sum, Axis<1>> {
        let arguments = vec![
            x.into_points(3),
            y.into_points(3),
            b.into_points(2),
            g.into_params(),
        ];
        BoundReduction::new(Sum, &CAUCHY, arguments, Vec::new())
    }
}

/// `b` alone.
fn plain<'a, T: Element>(b: impl IntoPoints<'a, T>) -> BoundReduction<'a, T, Plain, Sum, Axis<1>> {
    BoundReduction::new(Sum, &PLAIN, vec![b.into_points(1)], Vec::new())
}

#[test]
fn the_element_type_comes_from_the_arrays() {
    let x: Array2<f32> = arr2(&[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
    let b: Array2<f32> = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
    // A bare literal takes the type of the arrays, which is not the one it would have by itself.
    let single: Array2<f32> = Formula.bind(&x, &x, &b, 0.5).run().unwrap();
    let double = Formula
        .bind(
            &x.mapv(f64::from),
            &x.mapv(f64::from),
            &b.mapv(f64::from),
            0.5,
        )
        .run()
        .unwrap();
    let _: &Array2<f64> = &double;
    for (single, double) in single.iter().zip(&double) {
        assert!((f64::from(*single) - double).abs() < 1e-6);
    }
    // Literals throughout are f64, as everywhere in Rust.
    let literals = Formula
        .bind(&[[0.0, 1.0, 2.0]], &[[0.0, 1.0, 2.0]], &[[7.0, 8.0]], 0.5)
        .run()
        .unwrap();
    assert_eq!(literals, arr2(&[[7.0_f64, 8.0]]));
    // One array with a type decides for all the literals.
    let typed = Formula
        .bind(
            &[0.0_f32, 1.0, 2.0],
            &[[0.0, 1.0, 2.0]],
            &[[7.0, 8.0]],
            &[0.5],
        )
        .run()
        .unwrap();
    assert_eq!(typed, arr2(&[[7.0_f32, 8.0]]));
}

#[test]
// Views and references to views are different types, and both are accepted.
#[allow(clippy::needless_borrows_for_generic_args)]
fn all_kinds_of_arrays_mean_the_same() {
    let rows = [[0.5_f32, 1.0, 2.0], [3.0, 4.0, 5.5]];
    let x = arr2(&rows);
    let b = [[1.0_f32, 2.0], [3.0, 4.0]];
    let flat: Vec<f32> = rows.iter().flatten().copied().collect();
    let pairs: Vec<[f32; 3]> = rows.to_vec();
    let g = [0.25_f32];
    let expected = Formula.bind(&x, &x, &b, 0.25).run().unwrap();
    let view = x.view();
    let array_of_g = Array1::from(g.to_vec());
    for result in [
        Formula.bind(view, &view, &b, &g).run(),
        Formula.bind(&rows, &rows[..], &b[..], &g[..]).run(),
        Formula.bind(&pairs, &flat, &b.to_vec(), &g.to_vec()).run(),
        Formula
            .bind(
                &flat[..],
                &[0.5, 1.0, 2.0, 3.0, 4.0, 5.5],
                &[1.0, 2.0, 3.0, 4.0],
                &array_of_g,
            )
            .run(),
        Formula
            .bind(&*x, &x.to_shared(), ArrayView2::from(&b), array_of_g.view())
            .run(),
    ] {
        assert_eq!(result.unwrap(), expected);
    }
}

#[test]
fn a_vector_is_a_column() {
    let b = array![1.0, 2.0, 3.5];
    assert_eq!(plain(&b).run().unwrap(), arr2(&[[6.5]]));
    assert_eq!(plain(b.view()).run().unwrap(), arr2(&[[6.5]]));
    assert_eq!(plain(&*b).run().unwrap(), arr2(&[[6.5]]));
    assert_eq!(plain(&[1.0, 2.0, 3.5]).run().unwrap(), arr2(&[[6.5]]));
    assert_eq!(plain(&[[1.0], [2.0], [3.5]]).run().unwrap(), arr2(&[[6.5]]));
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let fits = Array2::<f32>::zeros((5, 3));
    let narrow = Array2::<f32>::zeros((100, 2));
    let b = Array2::<f32>::zeros((5, 2));
    let vector = Array1::<f32>::zeros(7);
    let message = |result: Result<Array2<f32>, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(Formula.bind(&narrow, &fits, &b, 1.0).run()),
        "x: expected 3 columns (Vi(3)), got an array of shape (100, 2)"
    );
    assert_eq!(
        message(Formula.bind(&fits, &vector, &b, 1.0).run()),
        "y: expected 3 columns (Vj(3)), got an array of shape (7,)"
    );
    assert_eq!(
        message(Formula.bind(&fits, &fits, &[1.0, 2.0, 3.0], 1.0).run()),
        "b: expected rows of 2 numbers (Vj(2)), got a flat slice of 3, which is no multiple of 2"
    );
    assert_eq!(
        message(Formula.bind(&fits, &fits, &narrow, 1.0).run()),
        "b: expected 5 rows, as many as y (Vj variables share their points), got 100"
    );
    assert_eq!(
        message(Formula.bind(&fits, &fits, &b, &[1.0, 2.0]).run()),
        "g: expected a parameter of length 1 (Pm(1)), got 2"
    );
}
