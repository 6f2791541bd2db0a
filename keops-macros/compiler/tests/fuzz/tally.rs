//! What was compared, and how often.

use std::collections::HashMap;
use std::fmt;

use keops_compiler::ast::Expr;
use keops_compiler::{differential, ops};

use crate::number::ORDER;
use crate::tree::{called, order, parts};

/// What was compared.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) formulas: u64,
    pub(crate) rejected: u64,
    /// Components that were compared, as numbers.
    pub(crate) compared: u64,
    /// Components that are infinite or NaN, and are in the reference.
    pub(crate) not_finite: u64,
    /// Components that depend on roundings too much.
    pub(crate) ill_conditioned: u64,
    /// Components that differ where documentation lets them.
    pub(crate) conventions: u64,
}

/// How many formulas with each operation or construct were compared, and with each order of derivatives.
#[derive(Default)]
pub(crate) struct Coverage {
    names: HashMap<String, u64>,
    orders: [u64; ORDER + 1],
}

impl Coverage {
    pub(crate) fn add(&mut self, formula: &Expr) {
        let mut names: Vec<&str> = parts(formula).into_iter().filter_map(called).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            *self.names.entry(name.to_owned()).or_default() += 1;
        }
        self.orders[order(formula)] += 1;
    }

    /// Asserts that everything was compared at least so often.
    pub(crate) fn assert_at_least(&self, count: u64) {
        let operations = ops::all().map(|op| op.name);
        let constructs = differential::all().iter().map(|construct| construct.name);
        for name in operations.chain(constructs) {
            let found = self.names.get(name).copied().unwrap_or(0);
            assert!(found >= count, "{name} was compared {found} times");
        }
        assert!(self.orders.iter().all(|&found| found >= count), "{self}");
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = self.names.iter().min_by_key(|(_, count)| **count);
        write!(
            f,
            "formulas of derivatives of order 0, 1, 2, ..: {:?}; rarest: {least:?}",
            self.orders
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} formulas, {} rejected; components: {} compared, {} compared as infinite or NaN, {} ill-conditioned, {} left open",
            self.formulas,
            self.rejected,
            self.compared,
            self.not_finite,
            self.ill_conditioned,
            self.conventions
        )
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.formulas += other.formulas;
        self.rejected += other.rejected;
        self.compared += other.compared;
        self.not_finite += other.not_finite;
        self.ill_conditioned += other.ill_conditioned;
        self.conventions += other.conventions;
    }

    /// Asserts that most of what was generated was compared.
    pub(crate) fn assert_worth(&self) {
        let all = self.compared + self.not_finite + self.ill_conditioned + self.conventions;
        assert!(self.compared * 10 >= all * 7, "{self}");
        assert!(self.conventions * 25 <= all, "{self}");
        assert!(self.rejected * 10 <= self.formulas, "{self}");
    }
}
