//! That all of the reference cases are tested.

include!(concat!(env!("OUT_DIR"), "/report.rs"));

#[test]
fn every_case_is_tested() {
    println!("{WRITTEN} reference cases are tested");
    assert!(
        SKIPPED.is_empty(),
        "reference cases that the compiler refuses: {SKIPPED:?}"
    );
}
