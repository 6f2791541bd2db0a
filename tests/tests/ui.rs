//! What the macros accept, and what they say about what they do not.
//!
//! `TRYBUILD=overwrite cargo test -p keops-tests --test ui` writes the messages anew; read every one of them as a user.

use std::env;
use std::path::Path;
use std::process::Command;

/// The compiler whose words `ui/rustc` records.
const RUSTC: &str = "rustc 1.95.";

/// What trybuild passes to rustc for cases. It leaves out the last of these while it compiles dependencies, and then passes it to them too, so that all of them would be compiled twice.
const FLAGS: [&str; 5] = [
    "--cfg=trybuild",
    "--verbose",
    "-A",
    "dead_code",
    "--diagnostic-width=140",
];

#[test]
fn messages() {
    // SAFETY: this is the only test of the program; nothing else reads the environment meanwhile.
    unsafe {
        env::set_var("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
        env::set_var("CARGO_PROFILE_DEV_DEBUG", "0");
    }
    let cases = trybuild::TestCases::new();
    // With a program that passes among them all are built, not just checked: what is asserted of a compiled formula is
    // seen only then.
    cases.pass("tests/ui/ok/*.rs");
    cases.compile_fail("tests/ui/err/*.rs");
    if rustc_words_errors_as_recorded() {
        cases.compile_fail("tests/ui/rustc/*.rs");
    } else {
        println!(
            "tests/ui/rustc is left out: this compiler has other words for what it finds itself"
        );
    }
}

/// Whether the errors that rustc, not a macro, reports can be expected to read as they were recorded: they change with
/// its version, and show the source of the standard library where that is installed.
fn rustc_words_errors_as_recorded() -> bool {
    let rustc = |argument: &[&str]| -> String {
        let output = Command::new("rustc").args(argument).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let sources = Path::new(&rustc(&["--print", "sysroot"])).join("lib/rustlib/src/rust");
    rustc(&["--version"]).starts_with(RUSTC) && !sources.exists()
}
