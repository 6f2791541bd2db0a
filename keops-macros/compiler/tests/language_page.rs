//! The pages on the formula language say what the operation table says.

use std::collections::BTreeSet;

use keops_compiler::reduction::Reduction;
use keops_compiler::reference::markdown;
use keops_compiler::{differential, ops};

const PAGE: &str = "../../keops-solve/docs/language.md";

/// With `UPDATE_GOLDEN=1` in the environment the page is written instead.
#[test]
fn the_language_page_is_up_to_date() {
    let page = markdown();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(PAGE, &page).expect("a writable page");
    }
    let written = std::fs::read_to_string(PAGE).expect("the page on the language");
    assert!(
        written == page,
        "{PAGE} is out of date; run `UPDATE_GOLDEN=1 cargo test -p keops-compiler --test language_page`"
    );
}

const COMPARISON: &str = "../../keops-solve/docs/keops.md";

/// What is set as code in the second column of a section's table.
fn right_column<'a>(page: &'a str, title: &str) -> Vec<&'a str> {
    let (_, section) = page
        .split_once(&format!("\n## {title}\n"))
        .unwrap_or_else(|| panic!("a section {title}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let cells = rows.filter_map(|row| row.split(" | ").nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.collect()
}

#[test]
fn the_comparison_with_keops_names_all_operations_and_no_others() {
    let page = std::fs::read_to_string(COMPARISON).expect("the page that compares");
    let named: BTreeSet<&str> = right_column(&page, "Operations").into_iter().collect();
    let known: BTreeSet<&str> = ops::all()
        .map(|op| op.name)
        .chain(differential::names())
        .collect();
    assert_eq!(named, known);

    let reductions = right_column(&page, "Reductions");
    let named: BTreeSet<&str> = reductions
        .into_iter()
        .filter(|&name| name != "weights")
        .collect();
    let known: BTreeSet<&str> = Reduction::ALL
        .iter()
        .map(|reduction| reduction.name())
        .collect();
    assert_eq!(named, known);

    let methods = right_column(&page, "Methods of LazyTensor");
    let methods: Vec<&str> = methods
        .iter()
        .filter_map(|name| name.strip_prefix('.'))
        .collect();
    assert!(methods.len() >= 70, "{methods:?}");
    for name in methods {
        let known = ops::find_method(name).is_some() || differential::find_method(name).is_some();
        assert!(
            known,
            "{COMPARISON} has a method `{name}`, which does not exist"
        );
    }
}
