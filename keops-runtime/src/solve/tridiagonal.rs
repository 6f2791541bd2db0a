//! Eigenvalues of symmetric tridiagonal matrices, and Gauss quadrature with them.

/// Steps of the QL method for one eigenvalue; two or three are usual.
const MOST_STEPS: usize = 60;

/// `e_1' f(T) e_1` for the symmetric tridiagonal matrix `T` with these diagonals; `None` if its eigenvalues cannot be found, as
/// where there is NaN.
///
/// By the QL method with implicit shifts, of which only the first row of the matrix of eigenvectors is kept (G. H. Golub, J. H. Welsch,
/// *Calculation of Gauss quadrature rules*, Math. Comp. 23, 1969).
pub(super) fn quadrature(diagonal: &[f64], beside: &[f64], f: impl Fn(f64) -> f64) -> Option<f64> {
    let n = diagonal.len();
    let mut d = diagonal.to_vec();
    let mut e = beside.get(..n.saturating_sub(1))?.to_vec();
    e.push(0.0);
    let mut first = vec![0.0; n];
    *first.first_mut()? = 1.0;
    for l in 0..n {
        let mut steps = 0;
        loop {
            let negligible = |m: usize| e[m].abs() <= f64::EPSILON * (d[m].abs() + d[m + 1].abs());
            let m = (l..n - 1).find(|&m| negligible(m)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            steps += 1;
            if steps > MOST_STEPS {
                return None;
            }
            let g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let mut g = d[m] - d[l] + e[l] / (g + g.hypot(1.0).copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    split = true;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                (first[i], first[i + 1]) = (
                    c * first[i] - s * first[i + 1],
                    s * first[i] + c * first[i + 1],
                );
            }
            if !split {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    let terms = d.iter().zip(&first).map(|(&d, w)| w * w * f(d));
    Some(terms.sum())
}

#[cfg(test)]
mod tests {
    use super::quadrature;

    /// The second differences have the eigenvalues `4 sin^2(k pi / (2 n + 2))` and eigenvectors that are sines.
    #[test]
    fn second_differences() {
        for n in [1, 2, 3, 10, 100] {
            let angle = |k: usize| k as f64 * std::f64::consts::PI / (n + 1) as f64;
            let eigenvalue = |k| 4.0 * (angle(k) / 2.0).sin().powi(2);
            let weight = |k| 2.0 / (n + 1) as f64 * angle(k).sin().powi(2);
            let expected: f64 = (1..=n).map(|k| weight(k) * eigenvalue(k).ln()).sum();
            let found = quadrature(&vec![2.0; n], &vec![-1.0; n - 1], f64::ln).unwrap();
            assert!((found - expected).abs() < 1e-12, "{n}: {found} {expected}");
        }
    }

    #[test]
    fn matrices_that_fall_apart() {
        let found = quadrature(&[3.0, 5.0, 7.0], &[0.0, 0.0], |x| x);
        assert_eq!(found, Some(3.0));
        let found = quadrature(&[1.0, 1.0, 2.0, 2.0], &[0.0, 1.0, 0.0], |x| x * x);
        assert_eq!(found, Some(1.0));
    }

    #[test]
    fn what_has_no_eigenvalues() {
        assert_eq!(quadrature(&[], &[], |x| x), None);
        assert_eq!(quadrature(&[1.0, f64::NAN], &[1.0], |x| x), None);
        assert_eq!(quadrature(&[1.0, 1.0], &[], |x| x), None);
    }
}
