//! Double precision against values that mpmath computed (`reference.py` writes `reference.txt`).

use std::collections::HashMap;

use super::{Function, InstructionSet, MAX_ULP, map};

/// Arguments and correctly rounded values of a function, with what the rounding lost.
#[derive(Default)]
struct Table {
    x: Vec<f64>,
    y: Vec<f64>,
    value: Vec<f64>,
    rest: Vec<f64>,
}

fn tables() -> HashMap<Function, Table> {
    let mut tables: HashMap<Function, Table> = HashMap::new();
    for line in include_str!("reference.txt").lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let function = *Function::ALL.iter().find(|f| f.name() == name).unwrap();
        let numbers: Vec<f64> = words
            .map(|bits| f64::from_bits(u64::from_str_radix(bits, 16).unwrap()))
            .collect();
        let table = tables.entry(function).or_default();
        let (arguments, value) = numbers.split_at(numbers.len() - 2);
        table.x.push(arguments[0]);
        table.y.extend(arguments.get(1));
        table.value.push(value[0]);
        table.rest.push(value[1]);
    }
    tables
}

fn spacing(x: f64) -> f64 {
    f64::from_bits(x.abs().to_bits() + 1) - x.abs()
}

#[test]
fn functions_agree_with_mpmath() {
    let tables = tables();
    for &function in Function::ALL {
        let Table { x, y, value, rest } = &tables[&function];
        assert!(x.len() >= 200, "{function:?} has {} values", x.len());
        for isa in InstructionSet::available() {
            let got = map(isa, function, x, y);
            let (mut worst, mut at) = (0.0, 0);
            for l in 0..x.len() {
                let error = ((got[l] - value[l]) - rest[l]).abs() / spacing(value[l]);
                if error.is_nan() || error > worst {
                    (worst, at) = (error, l);
                }
            }
            println!(
                "f64 {:6} {isa:8} {worst:.3} ulp at {:e}",
                function.name(),
                x[at]
            );
            let second = y.get(at).copied().unwrap_or_default();
            assert!(
                worst <= MAX_ULP,
                "{function:?} on {isa}: {worst} ulp at {:e}, {second:e}: got {:e}, expected {:e}",
                x[at],
                got[at],
                value[at]
            );
        }
    }
}
