//! Loop variables and functions of them.

/// A variable bound by a loop; it counts from 0 to the extent that the graph knows for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LoopVar(pub u32);

/// An affine function of loop variables: `offset + sum of stride * variable`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Index {
    /// The constant part.
    pub offset: usize,
    /// Strides of the variables, ordered by variable, without zeros.
    pub terms: Vec<(LoopVar, usize)>,
}

impl Index {
    /// A constant index.
    pub fn constant(offset: usize) -> Index {
        Index {
            offset,
            terms: Vec::new(),
        }
    }

    /// The index that is the loop variable itself.
    pub fn variable(var: LoopVar) -> Index {
        Index {
            offset: 0,
            terms: vec![(var, 1)],
        }
    }

    /// `self + other`
    pub fn plus(&self, other: &Index) -> Index {
        let mut sum = self.clone();
        sum.offset += other.offset;
        for &(var, stride) in &other.terms {
            match sum.terms.binary_search_by_key(&var, |t| t.0) {
                Ok(at) => sum.terms[at].1 += stride,
                Err(at) => sum.terms.insert(at, (var, stride)),
            }
        }
        sum
    }

    /// `self + offset`
    pub fn shifted(&self, offset: usize) -> Index {
        Index {
            offset: self.offset + offset,
            terms: self.terms.clone(),
        }
    }

    /// `self * factor`
    pub fn times(&self, factor: usize) -> Index {
        if factor == 0 {
            return Index::default();
        }
        let terms = self
            .terms
            .iter()
            .map(|&(var, stride)| (var, stride * factor))
            .collect();
        Index {
            offset: self.offset * factor,
            terms,
        }
    }

    /// The value, if no loop variable occurs.
    pub fn as_constant(&self) -> Option<usize> {
        self.terms.is_empty().then_some(self.offset)
    }
}
