//! How many of the reference cases are tested, and why the others are not.

include!(concat!(env!("OUT_DIR"), "/report.rs"));

/// The cases that sum.
const SUMS: usize = 157;

#[test]
fn every_case_is_tested_or_lacks_a_reduction() {
    for (name, reason) in SKIPPED {
        println!("{name} is not tested: {reason}");
    }
    println!(
        "{WRITTEN} reference cases are tested, {} are not",
        SKIPPED.len()
    );
    assert!(
        SKIPPED
            .iter()
            .all(|(_, reason)| reason.starts_with("no reduction")),
        "the compiler refuses the formula of a reference case: {SKIPPED:?}"
    );
    assert!(WRITTEN >= SUMS, "{WRITTEN} cases are tested; {SUMS} were");
}
