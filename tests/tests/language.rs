//! Formulas as users write them, in both forms: names, captures, operators, positions.

use keops_solve::ndarray::{Array2, array};
use keops_solve::{genred, kernel_solve, lazy, prelude::*};
use keops_tests::data::{distance, gaussian, points};

/// `sum_j f(x_i, y_j)` for scalars.
fn sums(x: &Array2<f64>, y: &Array2<f64>, f: impl Fn(f64, f64) -> f64) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), 1), |(i, _)| {
        y.column(0).iter().map(|&y| f(x[(i, 0)], y)).sum()
    })
}

fn truth(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

struct Settings {
    scale: f32,
    exponents: [i64; 2],
}

const SHIFT: f64 = 0.25;

#[test]
fn closures_capture_scalars_of_all_kinds() {
    let (x, y) = (points(13, 1, 1), points(17, 1, 2));
    let settings = Settings {
        scale: 1.5,
        exponents: [2, 3],
    };
    let count = 7usize;
    let borrowed = &0.5;
    let kernel = lazy!(|x: Vi(1), y: Vj(1)| {
        let r = (x - y) * settings.scale + SHIFT;
        r * settings.exponents[1] / count - *borrowed * std::f64::consts::PI + x * borrowed
    });
    let out = kernel.bind(&x, &y).sum(1).unwrap();
    let expected = sums(&x, &y, |x, y| {
        ((x - y) * 1.5 + 0.25) * 3.0 / 7.0 - 0.5 * std::f64::consts::PI + x * 0.5
    });
    assert!(distance(&out, &expected) < 1e-12);
}

#[test]
fn what_is_captured_is_read_when_the_closure_is_made() {
    let (x, y) = (points(5, 1, 1), points(6, 1, 2));
    let mut scale = 2.0;
    let before = lazy!(|x: Vi(1), y: Vj(1)| scale * x * y);
    let old = before.bind(&x, &y);
    scale += 1.0;
    let new = lazy!(|x: Vi(1), y: Vj(1)| scale * x * y);
    let [old, new] = [old.sum(1).unwrap(), new.bind(&x, &y).sum(1).unwrap()];
    assert!(distance(&old, &sums(&x, &y, |x, y| 2.0 * x * y)) < 1e-13);
    assert!(distance(&new, &sums(&x, &y, |x, y| 3.0 * x * y)) < 1e-13);
}

#[test]
fn a_generic_function_captures_its_arguments() {
    fn kernel<'a>(x: &'a Array2<f64>, scales: (f64, u8)) -> impl SymbolicMatrix<f64> + 'a {
        lazy!(|x: Vi(1), y: Vj(1)| scales.0 * x + scales.1 * y).bind(x, x)
    }
    let x = array![[1.0], [2.0]];
    let dense = kernel(&x, (10.0, 3)).to_dense().unwrap();
    assert_eq!(dense, array![[13.0, 16.0], [23.0, 26.0]]);
}

#[test]
fn both_forms_are_the_same_formula() {
    let (x, y, b) = (points(20, 3, 1), points(30, 3, 2), points(30, 2, 3));
    let text = genred!(
        "Exp(-g*SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(2),
        g = Pm(1),
        axis = 1
    );
    let closure = genred!(
        |x: Vi(3), y: Vj(3), b: Vj(2), g: Pm(1)| (-g * x.sqdist(y)).exp() * b,
        axis = 1
    );
    assert_eq!(text.formula(), closure.formula());
    assert_eq!(
        text.bind(&x, &y, &b, 0.7).run().unwrap(),
        closure.bind(&x, &y, &b, 0.7).run().unwrap()
    );
}

#[test]
fn positions_say_where_an_array_goes() {
    let (x, y, b) = (points(9, 2, 1), points(11, 2, 2), points(11, 1, 3));
    let expected = gaussian(&x, &y, 1.0).dot(&b);
    let permuted = genred!(
        "Exp(-SqDist(x,y))*b",
        b = Vj(0, 1),
        x = Vi(2, 2),
        y = Vj(1, 2),
        axis = 1
    );
    let out = permuted.bind(&b, &y, &x).run().unwrap();
    assert!(distance(&out, &expected) < 1e-13);
    let numbered = genred!(
        "Exp(-SqDist(Var(0,2,0),y)) * Var(2,1,1)",
        x = Vi(2),
        y = Vj(2),
        b = Vj(1),
        axis = 1
    );
    let out = numbered.bind(&x, &y, &b).run().unwrap();
    assert!(distance(&out, &expected) < 1e-13);
}

#[test]
fn variables_without_an_alias_are_bound_after_the_others() {
    let (x, y, b) = (points(9, 2, 1), points(11, 2, 2), points(11, 1, 3));
    let numbered = genred!(
        "Exp(-SqDist(x,Var(1,2,1))) * Var(2,1,1)",
        x = Vi(2),
        axis = 1
    );
    let out = numbered.bind(&x, &y, &b).run().unwrap();
    assert!(distance(&out, &gaussian(&x, &y, 1.0).dot(&b)) < 1e-13);
}

#[test]
fn a_variable_may_have_the_name_of_anything() {
    let (x, y) = (points(9, 1, 1), points(11, 1, 2));
    let expected = sums(&x, &y, |x, y| x + y.exp());
    let shadowing = genred!("Exp + Exp(y)", Exp = Vi(1), y = Vj(1), axis = 1);
    assert!(distance(&shadowing.bind(&x, &y).run().unwrap(), &expected) < 1e-12);
    let options = genred!("axis + Exp(var)", axis = Vi(1), var = Vj(1), axis = 1);
    assert!(distance(&options.bind(&x, &y).run().unwrap(), &expected) < 1e-12);
    let keywords = genred!("type + Exp(self)", type = Vi(1), self = Vj(1), axis = 1);
    assert!(distance(&keywords.bind(&x, &y).run().unwrap(), &expected) < 1e-12);
    // Names that expansions use themselves.
    let internal = genred!("s + Exp(out)", s = Vi(1), out = Vj(1), axis = 1);
    assert!(distance(&internal.bind(&x, &y).run().unwrap(), &expected) < 1e-12);
    let internal = genred!("SIGNATURE + Exp(T)", SIGNATURE = Vi(1), T = Vj(1), axis = 1);
    assert!(distance(&internal.bind(&x, &y).run().unwrap(), &expected) < 1e-12);
}

#[test]
fn operators_bind_as_in_python() {
    let (x, y) = (points(9, 1, 1), points(11, 1, 2));
    let (x, y) = (x + 0.5, y + 0.5);
    let check = |out: Array2<f64>, f: &dyn Fn(f64, f64) -> f64| {
        assert!(distance(&out, &sums(&x, &y, f)) < 1e-11);
    };
    let power = genred!("-x**2 * y**-1 + 2**y**2", x = Vi(1), y = Vj(1), axis = 1);
    check(power.bind(&x, &y).run().unwrap(), &|x, y| {
        -(x * x) / y + 2f64.powf(y * y)
    });
    let root = genred!("x**0.5 - (y*y)**x", x = Vi(1), y = Vj(1), axis = 1);
    check(root.bind(&x, &y).run().unwrap(), &|x, y| {
        x.sqrt() - (y * y).powf(x)
    });
    let product = genred!("2*x|y-x", x = Vi(1), y = Vj(1), axis = 1);
    check(product.bind(&x, &y).run().unwrap(), &|x, y| {
        2.0 * x * (y - x)
    });
    let compared = genred!("x|y<0.9", x = Vi(1), y = Vj(1), axis = 1);
    check(compared.bind(&x, &y).run().unwrap(), &|x, y| {
        truth(x * y < 0.9)
    });
    let quotient = genred!("x/y*x-y-x", x = Vi(1), y = Vj(1), axis = 1);
    check(quotient.bind(&x, &y).run().unwrap(), &|x, y| {
        x / y * x - y - x
    });
}

#[test]
fn comparisons_are_elementwise() {
    let (x, y) = (array![[1.0], [2.0], [3.0]], array![[1.0], [2.0], [2.0]]);
    let all = genred!(
        "Concat(Concat(x<y, x<=y), Concat(Concat(x>y, x>=y), Concat(x==y, x!=y)))",
        x = Vi(1),
        y = Vj(1),
        axis = 1
    );
    let out = all.bind(&x, &y).run().unwrap();
    let counts = [[2, 3, 0, 1, 1, 2], [0, 2, 1, 3, 2, 1], [0, 0, 3, 3, 0, 3]];
    assert_eq!(
        out,
        Array2::from_shape_fn((3, 6), |(i, k)| f64::from(counts[i][k]))
    );
}

#[test]
fn constants_keep_their_precision() {
    let one = array![[1.0_f64]];
    let constants = genred!(
        "x*0.1 + 16777217 + IntInv(3) + y*0",
        x = Vi(1),
        y = Vj(1),
        axis = 1
    );
    let out = constants.bind(&one, &one).run().unwrap();
    assert!((out[(0, 0)] - (0.1 + 16777217.0 + 1.0 / 3.0)).abs() < 4e-9);
}

#[test]
fn index_lists_have_three_spellings() {
    let (f, g) = (points(5, 6, 1), points(7, 6, 2));
    let brackets = genred!(
        "TensorDot(f,g,[2,3],[3,2],[1],[0])",
        f = Vi(6),
        g = Vj(6),
        axis = 1
    );
    let ind = genred!(
        "TensorDot(f,g,Ind(2,3),Ind(3,2),Ind(1),Ind(0))",
        f = Vi(6),
        g = Vj(6),
        axis = 1
    );
    let tuples = genred!(
        "TensorDot(f,g,(2,3),(3,2),1,0)",
        f = Vi(6),
        g = Vj(6),
        axis = 1
    );
    let closure = genred!(
        |f: Vi(6), g: Vj(6)| f.tensordot(g, [2, 3], [3, 2], [1], [0]), axis = 1
    );
    // The product of two matrices, row by row.
    let expected = Array2::from_shape_fn((5, 4), |(i, at)| {
        let (row, column) = (at / 2, at % 2);
        let entry = |j: usize| -> f64 {
            (0..3)
                .map(|k| f[(i, 3 * row + k)] * g[(j, 2 * k + column)])
                .sum()
        };
        (0..7).map(entry).sum()
    });
    for out in [
        brackets.bind(&f, &g).run().unwrap(),
        ind.bind(&f, &g).run().unwrap(),
        tuples.bind(&f, &g).run().unwrap(),
        closure.bind(&f, &g).run().unwrap(),
    ] {
        assert!(distance(&out, &expected) < 1e-12);
    }
}

#[test]
fn an_unknown_of_i_is_summed_over_i() {
    let over_i = kernel_solve!("Exp(-9*SqDist(x,y))*a", x = Vi(2), y = Vj(2), a = Vi(2));
    let over_j = kernel_solve!(
        "Exp(-9*SqDist(x,y))*a",
        x = Vi(2),
        y = Vj(2),
        a = Vj(2),
        axis = 1
    );
    let (x, b) = (points(83, 2, 1), points(83, 2, 2));
    let first = over_i
        .bind(&x, &x, &b)
        .alpha(0.1)
        .eps(1e-10)
        .solve()
        .unwrap();
    let second = over_j
        .bind(&x, &x, &b)
        .alpha(0.1)
        .eps(1e-10)
        .solve()
        .unwrap();
    let matrix = gaussian(&x, &x, 9.0) + 0.1 * Array2::<f64>::eye(83);
    assert!(distance(&matrix.dot(&first.values), &b) < 1e-8);
    assert!(distance(&first.values, &second.values) < 1e-7);
}

#[test]
fn symmetry_may_be_assumed() {
    // Symmetric as a matrix, as both sides hold the same points; not as a formula, for all that the compiler can know.
    let kinv = kernel_solve!(
        "(x|MatVecMult(A,y))*b",
        x = Vi(2),
        y = Vj(2),
        A = Pm(4),
        b = Vj(1),
        var = b,
        assume_symmetric
    );
    let (x, b) = (points(31, 2, 1), points(31, 1, 2));
    let a = [2.0, 0.5, 0.5, 1.0];
    let solution = kinv
        .bind(&x, &x, &a, &b)
        .alpha(0.5)
        .eps(1e-10)
        .solve()
        .unwrap();
    let weights = array![[2.0, 0.5], [0.5, 1.0]];
    let matrix = x.dot(&weights).dot(&x.t()) + 0.5 * Array2::<f64>::eye(31);
    assert!(distance(&matrix.dot(&solution.values), &b) < 1e-8);
}

/// A constant in scope was taken for a pattern in the arguments of `bind`.
#[test]
fn an_alias_may_have_the_name_of_a_constant() {
    const G: f64 = 2.0;
    let scaled = genred!("G*x", x = Vi(1), G = Pm(1), axis = 1);
    let out = scaled.bind(&[1.5][..], G).run().expect("a reduction");
    assert_eq!(out[(0, 0)], 3.0);
}
