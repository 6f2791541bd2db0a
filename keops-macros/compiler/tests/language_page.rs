//! The page on the formula language says what the operation table says.

use keops_compiler::reference::markdown;

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
