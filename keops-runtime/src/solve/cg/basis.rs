//! Bases of blocks of residuals.

use ndarray::{Array2, Axis, s};

use super::super::cholesky::Cholesky;
use super::super::dense::independent;
use super::super::multivector::Multivector;
use super::super::multivector::sums::{Wanted, products, request};
use crate::cuda::Term;

/// A column is left to another pass if a part of its square of this size or less is independent of the others: one pass resolves no more.
const DEPENDENT: f64 = 1e-13;
/// The part of the square of a column that is left of it by rounding errors where it depends on others.
const NOISE: f64 = 1e-30;

/// A basis `Q` with `Q'P^-1 Q = Id` of the columns of a block.
#[derive(Clone)]
pub(super) struct Basis {
    /// `Q`.
    pub(super) q: Multivector,
    /// `P^-1 Q`, if there is a preconditioner.
    pub(super) z: Option<Multivector>,
    /// `Q'Q`, where it has come about.
    pub(super) lengths: Option<Array2<f64>>,
}

/// The preconditioned vectors of a block `W`.
pub(super) struct Inverted {
    /// `P^-1 W`.
    pub(super) z: Multivector,
    /// `W'P^-1 W`.
    pub(super) gram: Array2<f64>,
    /// The squares of the norms of `W`.
    pub(super) squares: Array2<f64>,
}

impl Basis {
    pub(super) fn empty() -> Self {
        Self {
            q: Multivector::empty(),
            z: None,
            lengths: None,
        }
    }

    /// A basis of the columns of `w`, and the `S` with `w = Q S`, where `invert` applies `P^-1`, if there is a preconditioner.
    ///
    /// What the columns have in common is found before that: rounding errors in `P^-1 w` are larger by the condition number of `P`, and would
    /// pass for directions of their own.
    pub(super) fn new<E>(
        w: Multivector,
        invert: impl FnOnce(&Multivector) -> Result<Option<Inverted>, E>,
    ) -> Result<(Self, Array2<f64>), E> {
        if w.width() == 1 {
            return Self::of_independent(w, invert);
        }
        let (q, s, _) = orthonormal(w, None);
        Self::of_orthonormal(q, s, invert)
    }

    /// The same of orthonormal `w`, and the `S` for `w S`.
    pub(super) fn of_orthonormal<E>(
        w: Multivector,
        s: Array2<f64>,
        invert: impl FnOnce(&Multivector) -> Result<Option<Inverted>, E>,
    ) -> Result<(Self, Array2<f64>), E> {
        let Some(inverted) = invert(&w)? else {
            let basis = Self {
                q: w,
                z: None,
                lengths: None,
            };
            return Ok((basis, s));
        };
        let (basis, factor) = Self::of_inverted(w, inverted);
        Ok((basis, factor.dot(&s)))
    }

    /// The same of `w` whose columns are far from depending on each other.
    pub(super) fn of_independent<E>(
        w: Multivector,
        invert: impl FnOnce(&Multivector) -> Result<Option<Inverted>, E>,
    ) -> Result<(Self, Array2<f64>), E> {
        if let Some(inverted) = invert(&w)? {
            return Ok(Self::of_inverted(w, inverted));
        }
        let gram = products(&w, &w);
        let basis = Self {
            q: w,
            z: None,
            lengths: None,
        };
        Ok(basis.normalized(gram))
    }

    fn of_inverted(w: Multivector, inverted: Inverted) -> (Self, Array2<f64>) {
        let Inverted { z, gram, squares } = inverted;
        let basis = Self {
            q: w,
            z: Some(z),
            lengths: (squares.len() == 1).then_some(squares),
        };
        basis.normalized(gram)
    }

    /// `P^-1 Q`.
    pub(super) fn preconditioned(&self) -> &Multivector {
        self.z.as_ref().unwrap_or(&self.q)
    }

    fn map(&self, f: impl Fn(&Multivector) -> Multivector) -> Self {
        Self {
            q: f(&self.q),
            z: self.z.as_ref().map(f),
            lengths: None,
        }
    }

    /// The basis `Q` of independent columns `W` with `W'P^-1 W`, and the `S` with `W = Q S`, by the Cholesky factorisation of `W'P^-1 W`, and once more, because that is exact
    /// up to `u` times the square of the condition number only. Columns that rounding errors alone make positive are left out.
    fn normalized(mut self, gram: Array2<f64>) -> (Self, Array2<f64>) {
        let gram = symmetric(gram);
        if let Some(&[square]) = gram.as_slice()
            && square > 0.0
        {
            let norm = square.sqrt();
            for block in [Some(&mut self.q), self.z.as_mut()].into_iter().flatten() {
                block.divide(norm);
            }
            let lengths = self.lengths.take();
            self.lengths = lengths.map(|lengths| lengths / square);
            return (self, Array2::from_elem((1, 1), norm));
        }
        let Ok(first) = Cholesky::new(gram.clone()) else {
            let (chosen, factor) = independent(&gram, DEPENDENT);
            // The others along these: (Q'P^-1 Q)^-1 Q'P^-1 W = L^-T L^-1 (W'P^-1 W), of which Q takes the first factor.
            let mut s = gram.select(Axis(0), &chosen);
            factor.half_solve(&mut s);
            let part = self.map(|block| times_inverse(&block.select_columns(&chosen), &factor));
            return (part, s);
        };
        let mut once = self.map(|block| times_inverse(block, &first));
        let [gram, lengths] = request([
            Wanted::Sums(Term::Pairs, &once.q, once.preconditioned()),
            match &once.z {
                Some(_) => Wanted::Sums(Term::Pairs, &once.q, &once.q),
                None => Wanted::Nothing,
            },
        ])
        .take();
        let mut lengths = once.z.is_some().then_some(lengths);
        match Cholesky::new(symmetric(gram)) {
            Ok(second) => {
                let mut twice = once.map(|block| times_inverse(block, &second));
                if let Some(lengths) = &mut lengths {
                    // L^-1 Q'Q L^-T, of an L that is close to the identity.
                    second.half_solve(lengths);
                    *lengths = lengths.t().to_owned();
                    second.half_solve(lengths);
                }
                twice.lengths = lengths;
                let s = first.lower().dot(second.lower());
                (twice, s.reversed_axes())
            }
            Err(_) => {
                once.lengths = lengths;
                (once, first.lower().t().to_owned())
            }
        }
    }
}

/// A matrix that is symmetric but for rounding errors, without these.
fn symmetric(gram: Array2<f64>) -> Array2<f64> {
    if gram.len() == 1 {
        return gram;
    }
    0.5 * (&gram + &gram.t())
}

/// An orthonormal basis `Q` of the columns of `w`, no more of them than rows, and the `S` with `w = Q S`.
///
/// By the Cholesky factorisation of the products of the columns with pivots, and once more, because the first pass is exact up to `u` times
/// the square of the condition number only; columns that nearly depend on others are made orthogonal to these and take part in the next
/// pass. What then remains of a column is resolved however small it is, unless it is rounding errors.
///
/// The products `D'Q` with another block `D` are wanted too, if there is one.
pub(super) fn orthonormal(
    w: Multivector,
    d: Option<&Multivector>,
) -> (Multivector, Array2<f64>, Option<Array2<f64>>) {
    let columns = w.width();
    let rows = if columns > 0 { w.rows() as usize } else { 0 };
    let mut rest = w;
    let mut gram = products(&rest, &rest);
    let least = NOISE * &gram.diag();
    let mut places: Vec<usize> = (0..columns).collect();
    let mut basis: Option<Multivector> = None;
    let mut s = Array2::zeros((0, columns));
    let mut d_products = Array2::zeros((d.map_or(0, Multivector::width), 0));
    while s.nrows() < rows {
        let (mut chosen, mut factor) = independent(&gram, DEPENDENT);
        if chosen.len() > rows - s.nrows() {
            chosen.truncate(rows - s.nrows());
            let lower = factor.lower();
            let lower = lower.slice(s![..chosen.len(), ..chosen.len()]).to_owned();
            factor = Cholesky::of_lower(lower);
        }
        if chosen.is_empty() {
            break;
        }
        let mut part = times_inverse(&rest.select_columns(&chosen), &factor);
        let mut triangle = factor.lower().t().to_owned();
        // The second pass, with the products of the other block, which so take no time of their own on a device.
        let again = |part: &mut Multivector, triangle: &mut Array2<f64>| {
            let [gram, along] = request([
                Wanted::Sums(Term::Pairs, &*part, &*part),
                d.map_or(Wanted::Nothing, |d| Wanted::Sums(Term::Pairs, d, &*part)),
            ])
            .take();
            let mut along = along.reversed_axes();
            if let Ok(factor) = Cholesky::new(gram) {
                *part = times_inverse(part, &factor);
                *triangle = factor.lower().t().dot(triangle);
                if d.is_some() {
                    // D'P L^-T, of an L that is close to the identity.
                    factor.half_solve(&mut along);
                }
            }
            along.reversed_axes()
        };
        let mut along_d = again(&mut part, &mut triangle);
        if let Some(basis) = &basis {
            // To have been nearly dependent on each other has made rounding errors larger.
            let along = project(&mut part, basis).dot(&triangle);
            for (&k, along) in chosen.iter().zip(along.columns()) {
                let mut column = s.column_mut(places[k]);
                column += &along;
            }
            along_d = again(&mut part, &mut triangle);
        }
        d_products = ndarray::concatenate![Axis(1), d_products, along_d];
        let mut rows = Array2::zeros((chosen.len(), columns));
        for (&k, column) in chosen.iter().zip(triangle.columns()) {
            rows.column_mut(places[k]).assign(&column);
        }
        let left: Vec<_> = (0..places.len()).filter(|k| !chosen.contains(k)).collect();
        places = left.iter().map(|&k| places[k]).collect();
        if !left.is_empty() {
            rest = rest.select_columns(&left);
            // Twice, because the first time leaves rounding errors of the size of the whole column.
            for _ in 0..2 {
                let along = project(&mut rest, &part);
                for (&place, along) in places.iter().zip(along.columns()) {
                    let mut column = rows.column_mut(place);
                    column += &along;
                }
            }
        }
        s = ndarray::concatenate![Axis(0), s, rows];
        basis = Some(match basis {
            Some(basis) => basis.beside(&part),
            None => part,
        });
        if left.is_empty() {
            break;
        }
        gram = products(&rest, &rest);
        let sound: Vec<_> = (0..left.len())
            .filter(|&k| gram[[k, k]] > least[places[k]])
            .collect();
        if sound.is_empty() {
            break;
        }
        if sound.len() < left.len() {
            rest = rest.select_columns(&sound);
            places = sound.iter().map(|&k| places[k]).collect();
            gram = products(&rest, &rest);
        }
    }
    let basis = basis.unwrap_or_else(|| rest.select_columns(&[]));
    (basis, s, d.map(|_| d_products))
}

/// Takes off what is along an orthonormal basis, and returns how much that was.
fn project(block: &mut Multivector, onto: &Multivector) -> Array2<f64> {
    let along = products(onto, block);
    block.add_product(onto, &-&along);
    along
}

/// `W L^-T`.
fn times_inverse(w: &Multivector, factor: &Cholesky) -> Multivector {
    let mut inverse = Array2::eye(factor.lower().nrows());
    factor.half_solve(&mut inverse);
    w.times(&inverse.reversed_axes())
}

#[cfg(test)]
mod tests {
    use super::super::super::block::Block;
    use super::*;
    use std::convert::Infallible;

    fn number(i: usize, c: usize) -> f64 {
        ((3 * i * i + 7 * i + 1) as f64 * (c + 1) as f64).sin()
    }

    /// Columns that are independent, equal, parallel, zero, and that differ by as little as 1e-12.
    #[test]
    fn bases_are_orthonormal_and_give_the_columns_back() {
        let columns: [&dyn Fn(usize) -> f64; 8] = [
            &|i| number(i, 0),
            &|i| number(i, 1),
            &|i| number(i, 0),
            &|i| 1e-9 * number(i, 1),
            &|_| 0.0,
            &|i| number(i, 0) + 1e-5 * number(i, 2),
            &|i| number(i, 1) + 1e-9 * number(i, 3),
            &|i| number(i, 0) - number(i, 1) + 1e-12 * number(i, 4),
        ];
        let n = 50;
        let entries = (0..n).flat_map(|i| columns.iter().map(move |column| column(i)));
        let w = Block::from_rows(8, entries.collect());
        let diagonal = Block::from_rows(1, (0..n).map(|i| 1.0 + i as f64).collect());
        let weigh = |block: &Block| {
            let mut out = block.clone();
            for (k, v) in out.data_mut().iter_mut().enumerate() {
                *v *= diagonal.data()[k / block.width()];
            }
            out
        };
        for weighed in [false, true] {
            let invert = |w: &Multivector| {
                let z = Multivector::Host(weigh(&w.to_host()));
                let (gram, squares) = (products(w, &z), Array2::zeros((1, w.width())));
                Ok::<_, Infallible>(weighed.then_some(Inverted { z, gram, squares }))
            };
            let w = Multivector::Host(w.clone());
            let Ok((basis, s)) = Basis::new(w.clone(), invert);
            assert_eq!((basis.q.width(), s.dim()), (5, (5, 8)));
            let rounding = 1e-13;
            let gram = products(&basis.q, basis.preconditioned()) - Array2::<f64>::eye(5);
            assert!(gram.iter().all(|e| e.abs() < rounding), "{gram:e}");
            if let Some(z) = &basis.z {
                let weighed = weigh(&basis.q.to_host());
                for (found, expected) in z.to_host().data().iter().zip(weighed.data()) {
                    assert!((found - expected).abs() < rounding);
                }
            }
            let again = basis.q.times(&s);
            for (found, expected) in again.to_host().data().iter().zip(w.to_host().data()) {
                assert!((found - expected).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn nothing_has_an_empty_basis() {
        for columns in [0, 1, 3] {
            let none = |_: &Multivector| Ok::<_, Infallible>(None);
            let Ok((basis, s)) = Basis::new(Multivector::Host(Block::zeros(4, columns)), none);
            assert_eq!((basis.q.width(), s.dim()), (0, (0, columns)));
        }
    }
}
