//! Bases of blocks of residuals.

use ndarray::Array2;

use super::super::block::{Block, products};
use super::super::cholesky::Cholesky;
use super::super::dense::independent;

/// A column is left to another pass if a part of its square of this size or less is independent of the others: one pass resolves no more.
const DEPENDENT: f64 = 1e-13;
/// The part of the square of a column that is left of it by rounding errors where it depends on others.
const NOISE: f64 = 1e-30;

/// A basis `Q` with `Q'P^-1 Q = Id` of the columns of a block.
#[derive(Clone)]
pub(super) struct Basis {
    /// `Q`.
    pub(super) q: Block,
    /// `P^-1 Q`, if there is a preconditioner.
    pub(super) z: Option<Block>,
}

impl Basis {
    /// A basis of the columns of `w`, given `z = P^-1 w`, and the triangle or trapezoid `S` with `w = Q S`.
    ///
    /// By the Cholesky factorisation of the products of the columns with pivots, and once more, because the first pass is exact up to `u` times
    /// the square of the condition number only; columns that nearly depend on others are made orthogonal to these and take part in the next
    /// pass. What then remains of a column is resolved however small it is, unless it is rounding errors.
    pub(super) fn new(w: Block, z: Option<Block>) -> (Self, Array2<f64>) {
        let mut rest = Self { q: w, z };
        let columns = rest.q.width();
        let mut gram = rest.gram();
        if let Some(&[square]) = gram.as_slice().and_then(|gram| gram.first_chunk())
            && columns == 1
            && square > 0.0
        {
            let norm = square.sqrt();
            rest.scale(norm.recip());
            return (rest, Array2::from_elem((1, 1), norm));
        }
        let least = NOISE * &gram.diag();
        let mut places: Vec<usize> = (0..columns).collect();
        let mut basis: Option<Self> = None;
        let mut s = Array2::zeros((0, columns));
        loop {
            let (chosen, factor) = independent(&gram, DEPENDENT);
            if chosen.is_empty() {
                break;
            }
            let (mut part, mut triangle) = rest.select(&chosen).normalized(&factor);
            if let Some(basis) = &basis {
                // To have been nearly dependent on each other has made rounding errors larger.
                let along = part.project(basis).dot(&triangle.t());
                for (&k, along) in chosen.iter().zip(along.columns()) {
                    let mut column = s.column_mut(places[k]);
                    column += &along;
                }
                if let Ok(again) = Cholesky::new(part.gram()) {
                    part = part.map(|block| times_inverse(block, &again));
                    triangle = triangle.dot(again.lower());
                }
            }
            let mut rows = Array2::zeros((chosen.len(), columns));
            for (&k, column) in chosen.iter().zip(triangle.rows()) {
                rows.column_mut(places[k]).assign(&column);
            }
            let left: Vec<_> = (0..places.len()).filter(|k| !chosen.contains(k)).collect();
            places = left.iter().map(|&k| places[k]).collect();
            if !left.is_empty() {
                rest = rest.select(&left);
                // Twice, because the first time leaves rounding errors of the size of the whole column.
                for _ in 0..2 {
                    let along = rest.project(&part);
                    for (&place, along) in places.iter().zip(along.columns()) {
                        let mut column = rows.column_mut(place);
                        column += &along;
                    }
                }
            }
            s = ndarray::concatenate![ndarray::Axis(0), s, rows];
            basis = Some(match basis {
                Some(basis) => basis.beside(&part),
                None => part,
            });
            gram = rest.gram();
            let sound: Vec<_> = (0..left.len())
                .filter(|&k| gram[[k, k]] > least[places[k]])
                .collect();
            if sound.is_empty() {
                break;
            }
            if sound.len() < left.len() {
                rest = rest.select(&sound);
                places = sound.iter().map(|&k| places[k]).collect();
                gram = rest.gram();
            }
        }
        (basis.unwrap_or_else(|| rest.select(&[])), s)
    }

    /// `P^-1 Q`.
    pub(super) fn preconditioned(&self) -> &Block {
        self.z.as_ref().unwrap_or(&self.q)
    }

    /// `Q'P^-1 Q`, which is symmetric but for rounding errors.
    fn gram(&self) -> Array2<f64> {
        let gram = products(&self.q, self.preconditioned());
        if gram.len() == 1 {
            return gram;
        }
        0.5 * (&gram + &gram.t())
    }

    fn map(&self, f: impl Fn(&Block) -> Block) -> Self {
        Self {
            q: f(&self.q),
            z: self.z.as_ref().map(f),
        }
    }

    fn select(&self, columns: &[usize]) -> Self {
        self.map(|block| block.select_columns(columns))
    }

    fn scale(&mut self, factor: f64) {
        for block in [Some(&mut self.q), self.z.as_mut()].into_iter().flatten() {
            block.data_mut().iter_mut().for_each(|v| *v *= factor);
        }
    }

    /// The basis `Q` of independent columns `W` with the factorisation `W'P^-1 W = L L'`, and the triangle `T` with `W = Q T'`.
    fn normalized(self, factor: &Cholesky) -> (Self, Array2<f64>) {
        let once = self.map(|block| times_inverse(block, factor));
        let first = factor.lower();
        match Cholesky::new(once.gram()) {
            Ok(second) if first.nrows() > 1 => {
                let twice = once.map(|block| times_inverse(block, &second));
                (twice, first.dot(second.lower()))
            }
            _ => (once, first.clone()),
        }
    }

    /// Takes off what is along a basis, and returns how much that was.
    fn project(&mut self, onto: &Self) -> Array2<f64> {
        let along = products(onto.preconditioned(), &self.q);
        let off = -&along;
        self.q.add_product(&onto.q, &off);
        if let (Some(z), Some(onto)) = (&mut self.z, &onto.z) {
            z.add_product(onto, &off);
        }
        along
    }

    /// Both bases, side by side.
    fn beside(&self, other: &Self) -> Self {
        Self {
            q: self.q.beside(&other.q),
            z: self
                .z
                .as_ref()
                .zip(other.z.as_ref())
                .map(|(own, other)| own.beside(other)),
        }
    }
}

/// `W L^-T`.
fn times_inverse(w: &Block, factor: &Cholesky) -> Block {
    let mut inverse = Array2::eye(factor.lower().nrows());
    factor.half_solve(&mut inverse);
    w.times(&inverse.reversed_axes())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for z in [None, Some(weigh(&w))] {
            let (basis, s) = Basis::new(w.clone(), z);
            assert_eq!((basis.q.width(), s.dim()), (5, (5, 8)));
            // What is left of a column by 1e-12 of itself has rounding errors of 1e-4, which P^-1 makes others of.
            let rounding = if basis.z.is_some() { 1e-3 } else { 1e-14 };
            let gram = basis.gram() - Array2::<f64>::eye(5);
            assert!(gram.iter().all(|e| e.abs() < rounding), "{gram:e}");
            if let Some(z) = &basis.z {
                for (found, expected) in z.data().iter().zip(weigh(&basis.q).data()) {
                    assert!((found - expected).abs() < rounding);
                }
            }
            let again = basis.q.times(&s);
            for (found, expected) in again.data().iter().zip(w.data()) {
                assert!((found - expected).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn nothing_has_an_empty_basis() {
        for columns in [0, 1, 3] {
            let (basis, s) = Basis::new(Block::zeros(4, columns), None);
            assert_eq!((basis.q.width(), s.dim()), (0, (0, columns)));
        }
    }
}
