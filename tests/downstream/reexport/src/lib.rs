//! A crate that knows keops-solve only through another crate, which re-exports it.

#![forbid(unsafe_code)]
#![deny(missing_docs, warnings)]

use keops_downstream_library::keops_solve;
use keops_downstream_library::keops_solve::ndarray::Array2;
use keops_downstream_library::keops_solve::{SymbolicMatrix, genred};

keops_solve::kernel_solve!(
    /// A kernel of its own.
    pub Cauchy: "b / (1 + SqDist(x,y))", x = Vi(3), y = Vj(3), b = Vj(1)
);

/// The products of all pairs of numbers, summed over the second.
///
/// # Errors
/// If an array does not have one column.
pub fn products(x: &Array2<f64>, y: &Array2<f64>) -> Result<[Array2<f64>; 2], keops_solve::Error> {
    let direct =
        keops_downstream_library::keops_solve::genred!("x*y", x = Vi(1), y = Vj(1), axis = 1);
    let imported = genred!(|x: Vi(1), y: Vj(1)| x * y, axis = 1);
    Ok([direct.bind(x, y).run()?, imported.bind(x, y).run()?])
}

/// The row sums of `1 / (1 + |x_i - x_j|)`.
///
/// # Errors
/// If the array does not have one column.
pub fn sums(x: &Array2<f64>) -> Result<Array2<f64>, keops_solve::Error> {
    keops_solve::lazy!("Inv(1 + Abs(x-y))", x = Vi(1), y = Vj(1))
        .bind(x, x)
        .sum(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keops_solve::ndarray::array;

    #[test]
    fn macros_work_through_another_crate() {
        let x = array![[1.0], [2.0]];
        for out in products(&x, &x).unwrap() {
            assert_eq!(out, array![[3.0], [6.0]]);
        }
        assert_eq!(sums(&x).unwrap(), array![[1.5], [1.5]]);
        let (points, b) = (Array2::<f64>::eye(3), array![[3.0], [3.0], [3.0]]);
        // 1 on the diagonal and 1/3 elsewhere.
        let solution = Cauchy
            .bind(&points, &points, &b)
            .alpha(1.0 / 3.0)
            .eps(1e-12)
            .solve()
            .unwrap();
        assert!(solution.values.iter().all(|a| (a - 1.5).abs() < 1e-10));
    }
}
