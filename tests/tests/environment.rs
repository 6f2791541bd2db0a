//! `KEOPS_ISA`, which is read once per process: each value is tried in a child.

use std::process::Command;

use keops_solve::ndarray::array;
use keops_solve::{InstructionSet, genred};

/// Set in the children.
const CHILD: &str = "KEOPS_TESTS_CHILD";

/// What the children do; in the parent, nothing.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let sum = genred!("x*y", x = Vi(1), y = Vj(1), axis = 1);
    match sum.bind(&array![2.0], &array![3.0, 4.0]).run() {
        Ok(out) => println!("[child: {}]", out[(0, 0)]),
        Err(error) => println!("[child: {error}]"),
    }
}

/// What a child prints when `KEOPS_ISA` has this value.
fn with_isa(value: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("the path of this test"))
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, "1")
        .env("KEOPS_ISA", value)
        .output()
        .expect("a child process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = text
        .split_once("[child: ")
        .unwrap_or_else(|| panic!("{output:?}"));
    rest.split_once(']')
        .map(|(said, _)| said.to_owned())
        .expect("the end of the line")
}

#[test]
fn an_instruction_set_that_the_processor_has_is_used() {
    for isa in InstructionSet::available() {
        assert_eq!(with_isa(&isa.to_string()), "14");
        assert_eq!(with_isa(&isa.to_string().to_uppercase()), "14");
    }
}

#[test]
fn an_instruction_set_that_the_processor_lacks_is_an_error() {
    for isa in InstructionSet::ALL
        .into_iter()
        .filter(|isa| !isa.is_available())
    {
        let expected =
            format!("KEOPS_ISA: the instruction set {isa} is not available on this processor");
        assert_eq!(with_isa(&isa.to_string()), expected);
    }
}

#[test]
fn an_unknown_instruction_set_is_an_error() {
    let expected = "KEOPS_ISA: unknown instruction set `sse9`: expected avx512, avx2 or portable";
    assert_eq!(with_isa("sse9"), expected);
    let expected = "KEOPS_ISA: unknown instruction set ``: expected avx512, avx2 or portable";
    assert_eq!(with_isa(""), expected);
}
