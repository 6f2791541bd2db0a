//! How many of the reference cases are tested, and why the others are not.

include!(concat!(env!("OUT_DIR"), "/report.rs"));

/// The cases that there are: a generator that loses some must not go unnoticed.
const CASES: usize = 188;

#[test]
fn every_reference_case_is_tested() {
    for (name, reason) in SKIPPED {
        println!("{name} is not tested: {reason}");
    }
    println!("{WRITTEN} reference cases are tested");
    assert!(SKIPPED.is_empty(), "cases that are not tested: {SKIPPED:?}");
    assert_eq!(WRITTEN, CASES);
}
