//! Blocks of vectors where a solve keeps them: in the memory of the host, or in that of a device.
//!
//! The recursion is written once, in these operations; only small matrices go between a device and the host. Sums are asked for before they are needed
//! ([`request`](sums::request)), since a device hands over all that have been asked for at once, and each time it does the host waits for it. Where a device fails, sums are NaN from then
//! on and the operations do nothing: [`Matrix::trouble`](super::product::Matrix::trouble) says why.

pub(super) mod sums;

use std::borrow::Cow;

use ndarray::Array2;

use super::block::Block;
use crate::cuda::{AddProduct, Memory, Rule, Strided, Vectors};

/// Vectors of equal length, side by side.
#[derive(Clone, Debug)]
pub(super) enum Multivector {
    Host(Block),
    Device {
        rows: usize,
        width: usize,
        entries: Vectors,
    },
}
use Multivector::{Device, Host};

/// Adds the products `other C` to two blocks of as many rows.
pub(super) fn add_two_products(
    first: (&mut Multivector, &Multivector, &Array2<f64>),
    second: (&mut Multivector, &Multivector, &Array2<f64>),
) {
    let ((own, other, c), (second, of_second, c_of_second)) = (first, second);
    if let (
        Device {
            rows,
            width,
            entries: own,
        },
        Device {
            width: second_width,
            entries: second,
            ..
        },
        Some(other),
        Some(of_second),
    ) = (&mut *own, &mut *second, other.by_row(), of_second.by_row())
    {
        let memory = own.memory().clone();
        let product = |own, width, other, c| AddProduct {
            own,
            width,
            fresh: false,
            other,
            c,
        };
        let (c, c_of_second) = (by_row(c), by_row(c_of_second));
        let products = &mut [
            product(own, *width, other, &c),
            product(second, *second_width, of_second, &c_of_second),
        ];
        return memory.add_products(*rows, products);
    }
    own.add_product(other, c);
    second.add_product(of_second, c_of_second);
}

/// The entries of a small matrix, row by row.
fn by_row(c: &Array2<f64>) -> Cow<'_, [f64]> {
    match c.as_slice() {
        Some(entries) => Cow::Borrowed(entries),
        None => Cow::Owned(c.iter().copied().collect()),
    }
}

/// Updates two blocks of the same shape by a rule with the same numbers, each from another one.
pub(super) fn update_two(
    first: (&mut Multivector, &Multivector),
    second: (&mut Multivector, &Multivector),
    rule: Rule,
    numbers: &[f64],
) {
    let ((own, other), (second, of_second)) = (first, second);
    if let (
        Device { entries: own, .. },
        Device {
            entries: second, ..
        },
    ) = (&mut *own, &mut *second)
    {
        let memory = own.memory().clone();
        let updates = &mut [(own, other.entries()), (second, of_second.entries())];
        return memory.update(updates, rule, numbers);
    }
    own.update(other, rule, numbers);
    second.update(of_second, rule, numbers);
}

impl Multivector {
    /// A block of the host, taken to the memory of a device if that is where the solve is.
    pub(super) fn new(block: Block, memory: Option<&Memory>) -> Self {
        match memory {
            Some(memory) => Device {
                rows: block.rows() as usize,
                width: block.width(),
                entries: memory.upload(block.data()),
            },
            None => Host(block),
        }
    }

    /// The block on the host.
    pub(super) fn to_host(&self) -> Cow<'_, Block> {
        match self {
            Host(block) => Cow::Borrowed(block),
            Device { width, entries, .. } => Cow::Owned(Block::from_rows(*width, entries.read())),
        }
    }

    /// The block on the host, if another one is there.
    pub(super) fn beside_of(self, other: &Self) -> Self {
        match (self, other) {
            (Device { width, entries, .. }, Host(_)) => {
                Host(Block::from_rows(width, entries.read()))
            }
            (block, _) => block,
        }
    }

    /// A block without columns.
    pub(super) fn empty() -> Self {
        Host(Block::zeros(0, 0))
    }

    /// Number of columns.
    pub(super) fn width(&self) -> usize {
        match self {
            Host(block) => block.width(),
            Device { width, .. } => *width,
        }
    }

    /// Number of rows, as a number to compute with.
    pub(super) fn rows(&self) -> f64 {
        match self {
            Host(block) => block.rows(),
            Device { rows, .. } => *rows as f64,
        }
    }

    /// Whether there are no entries.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Host(block) => block.data().is_empty(),
            Device { entries, .. } => entries.count() == 0,
        }
    }

    /// The entries in the memory of a device.
    pub(super) fn entries(&self) -> Option<&Vectors> {
        match self {
            Host(_) => None,
            Device { entries, .. } => Some(entries),
        }
    }

    fn by_row(&self) -> Option<Strided<'_>> {
        Some(self.entries()?.by_row(self.width()))
    }

    /// A block of so many columns in the same place, with values that mean nothing.
    fn with_width(&self, columns: usize) -> Self {
        match self {
            Host(block) => Host(Block::zeros(block.rows() as usize, columns)),
            Device { rows, entries, .. } => Device {
                rows: *rows,
                width: columns,
                entries: entries.memory().vectors(rows * columns),
            },
        }
    }

    /// A block of the same shape in the same place, with values that mean nothing.
    pub(super) fn alike(&self) -> Self {
        self.with_width(self.width())
    }

    /// A block of zeros of the same shape in the same place.
    pub(super) fn zeros_alike(&self) -> Self {
        let mut zeros = self.alike();
        if let Device { entries, .. } = &mut zeros {
            let memory = entries.memory().clone();
            memory.update(&mut [(entries, None)], Rule::Zero, &[]);
        }
        zeros
    }

    /// The entries of one column; NaN after an error.
    pub(super) fn column(&self, c: usize) -> Vec<f64> {
        match self {
            Host(block) => block.column(c).collect(),
            Device { .. } => match self.select_columns(&[c]).entries() {
                Some(entries) => entries.read(),
                None => Vec::new(),
            },
        }
    }

    /// The block made of some of the columns.
    pub(super) fn select_columns(&self, columns: &[usize]) -> Self {
        if let Host(block) = self {
            return Host(block.select_columns(columns));
        }
        let mut selected = self.with_width(columns.len());
        selected.copy_columns(self, columns.iter().copied().enumerate());
        selected
    }

    /// Overwrites columns: each of the first numbers with that of the second number of `source`, both on a device.
    fn copy_columns(&mut self, source: &Self, pairs: impl Iterator<Item = (usize, usize)>) {
        let Device {
            rows,
            width,
            entries,
        } = self
        else {
            return;
        };
        if let Some(other) = source.entries() {
            let memory = entries.memory().clone();
            let pairs = pairs.map(|(to, from)| (from, to));
            memory.copy_columns(*rows, (entries, *width), (other, source.width()), pairs);
        }
    }

    /// The columns of both.
    pub(super) fn beside(&self, other: &Self) -> Self {
        if let (Host(own), Host(other)) = (self, other) {
            return Host(own.beside(other));
        }
        let mut both = self.with_width(self.width() + other.width());
        let own = self.width();
        both.copy_columns(self, (0..own).map(|c| (c, c)));
        both.copy_columns(other, (0..other.width()).map(|c| (own + c, c)));
        both
    }

    /// The product with a matrix of `self.width()` rows.
    pub(super) fn times(&self, c: &Array2<f64>) -> Self {
        if let Host(block) = self {
            return Host(block.times(c));
        }
        let mut out = self.with_width(c.ncols());
        out.add_on_device(self, c, true);
        out
    }

    /// Overwrites column `c` with column `source_c` of `source`.
    pub(super) fn copy_column(&mut self, c: usize, source: &Self, source_c: usize) {
        match (&mut *self, source) {
            (Host(own), Host(source)) => own.copy_column(c, source, source_c),
            _ => self.copy_columns(source, std::iter::once((c, source_c))),
        }
    }

    /// Drops every column `c` for which `keep[c]` is false.
    pub(super) fn retain_columns(&mut self, keep: &[bool]) {
        if let Host(block) = self {
            return block.retain_columns(keep);
        }
        let kept: Vec<_> = (0..keep.len()).filter(|&c| keep[c]).collect();
        *self = self.select_columns(&kept);
    }

    /// Adds the product `other C`, for a matrix `C` of shape `(other.width(), self.width())`.
    pub(super) fn add_product(&mut self, other: &Self, c: &Array2<f64>) {
        match (&mut *self, other) {
            (Host(own), Host(other)) => own.add_product(other, c),
            _ => self.add_on_device(other, c, false),
        }
    }

    /// `self += other C`, or `self = other C`.
    fn add_on_device(&mut self, other: &Self, c: &Array2<f64>, fresh: bool) {
        let (
            Device {
                rows,
                width,
                entries: own,
            },
            Some(other),
        ) = (self, other.by_row())
        else {
            return;
        };
        let memory = own.memory().clone();
        let product = AddProduct {
            own,
            width: *width,
            fresh,
            other,
            c: &by_row(c),
        };
        memory.add_products(*rows, &mut [product]);
    }

    /// Updates each entry by a rule, where each column has a number.
    pub(super) fn update(&mut self, other: &Self, rule: Rule, numbers: &[f64]) {
        match (self, other) {
            (Host(own), Host(other)) => match rule {
                Rule::Add => own.update(other, numbers, |own, other, c| own + c * other),
                Rule::Subtract => own.update(other, numbers, |own, other, c| own - c * other),
                Rule::Blend => own.update(other, numbers, |own, other, c| own + c * (other - own)),
                Rule::Turn => own.update(other, numbers, |own, other, c| other + c * own),
                Rule::Scale => own.update(other, numbers, |_, other, c| c * other),
                Rule::Divide => own.update(other, numbers, |_, other, c| other / c),
                Rule::Magnitude => own.update(other, numbers, |_, other, _| other.abs()),
                Rule::Zero => own.data_mut().fill(0.0),
            },
            (Device { entries, .. }, other) => {
                let memory = entries.memory().clone();
                memory.update(&mut [(entries, other.entries())], rule, numbers);
            }
            (Host(_), Device { .. }) => {}
        }
    }

    /// Makes this a copy of another block of the same shape in the same place.
    pub(super) fn assign(&mut self, other: &Self) {
        if let (Host(own), Host(other)) = (&mut *self, other) {
            return own.data_mut().copy_from_slice(other.data());
        }
        let ones = vec![1.0; self.width()];
        self.update(other, Rule::Scale, &ones);
    }

    /// Divides all entries of a vector.
    pub(super) fn divide(&mut self, divisor: f64) {
        match self {
            Host(block) => block.data_mut().iter_mut().for_each(|v| *v /= divisor),
            Device { entries, .. } => {
                let memory = entries.memory().clone();
                memory.update(&mut [(entries, None)], Rule::Divide, &[divisor]);
            }
        }
    }

    /// The absolute values of all entries.
    pub(super) fn magnitudes(&self) -> Self {
        let mut magnitudes = self.alike();
        let numbers = vec![1.0; self.width()];
        magnitudes.update(self, Rule::Magnitude, &numbers);
        magnitudes
    }
}
