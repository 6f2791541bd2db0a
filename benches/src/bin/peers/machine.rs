//! What the numbers were measured on.

use std::fs;
use std::process::Command;

/// The output of a program, or a dash where it cannot be had.
fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or("-".to_owned(), |output| {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
}

/// Processor, caches, compilers and the date, as a Markdown list.
pub(crate) fn describe() -> String {
    let lscpu = output("lscpu", &[]);
    let field = |name: &str| {
        lscpu
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("-", |(_, value)| value.trim())
    };
    let commit = output("git", &["describe", "--always", "--dirty"]);
    let compiler = output("g++", &["--version"]);
    format!(
        "- Date: {}\n- Commit: {commit}\n- Processor: {}, model {}, {} cores; L1d {}, L2 {}, L3 {}\n\
         - Compilers: {}; {}\n",
        output("date", &["+%F"]),
        field("Model name"),
        field("Model"),
        field("CPU(s)"),
        field("L1d cache"),
        field("L2 cache"),
        field("L3 cache"),
        output("rustc", &["--version"]),
        compiler.lines().next().unwrap_or("-"),
    )
}

/// The load averages over 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    fs::read_to_string("/proc/loadavg").map_or("-".to_owned(), |text| {
        text.split(' ').take(3).collect::<Vec<_>>().join(", ")
    })
}
