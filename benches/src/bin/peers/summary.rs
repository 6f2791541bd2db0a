//! All records in one table and one picture, beside what is aimed at.

use std::fmt::Write as _;
use std::path::Path;

use keops_examples::picture::{Axis, BLUE, GREEN, GREY, ORANGE, Picture};

use crate::cases::{CASES, Case, Target};
use crate::contest::scientific;
use crate::peers::{ONE_THREAD, PYKEOPS, Peer, UNSYMMETRIC};
use crate::record::Record;

/// The records that there are, in the order of the list.
fn records(directory: &Path, threads: usize) -> Vec<(&'static Case, Record)> {
    let record = |case: &'static Case| Some((case, Record::load(directory, case.only, threads)?));
    CASES.iter().filter_map(record).collect()
}

/// A table in Markdown: a row for each task, a column for each peer.
pub(crate) fn table(directory: &Path, threads: usize, peers: &[Peer]) -> String {
    let mut table = "| | seconds | Gpair/s | error | target | reached |".to_owned();
    for peer in &peers[1..] {
        let _ = write!(table, " {} |", peer.name);
    }
    table += "\n|---|---|---|---|---|---|";
    table += &"---|".repeat(peers.len() - 1);
    for (case, record) in records(directory, threads) {
        let [seconds, _, error] = record.ours();
        let rate = record.pairs.map_or(String::new(), |pairs| {
            format!("{:.3}", pairs / seconds / 1e9)
        });
        let (target, reached) = match case.target {
            None => (String::new(), String::new()),
            Some(Target::Seconds(limit)) => (
                format!("{} s", scientific(limit)),
                format!("{:.2}", limit / seconds),
            ),
            Some(Target::Ratio(wanted)) => (
                format!("{wanted} x PyKeOps"),
                record
                    .ratio(PYKEOPS)
                    .map_or(String::new(), |ratio| format!("{:.2}", ratio / wanted)),
            ),
        };
        let seconds = scientific(seconds);
        let _ = write!(
            table,
            "\n| {} | {seconds} | {rate} | {error:.1e} | {target} | {reached} |",
            case.only
        );
        for peer in &peers[1..] {
            let cell = match record.of(peer.name).map(|line| &line.outcome) {
                None => String::new(),
                Some(Ok([_, ratio, error])) => format!("{ratio:.2} ({error:.0e})"),
                Some(Err(reason)) => reason.clone(),
            };
            let _ = write!(table, " {cell} |");
        }
    }
    table + "\n"
}

/// A picture of the ratios: a line for each task, a dot for each peer.
///
/// # Errors
/// If there are no records, or the picture cannot be drawn or written.
pub(crate) fn picture(directory: &Path, threads: usize, path: &Path) -> Result<(), String> {
    let records = records(directory, threads);
    if records.is_empty() {
        return Err(format!(
            "there are no records of {threads} threads in {}",
            directory.display()
        ));
    }
    draw(&records, path).map_err(|error| error.to_string())
}

fn draw(
    records: &[(&'static Case, Record)],
    path: &Path,
) -> Result<(), keops_examples::picture::PictureError> {
    let names: Vec<&str> = records.iter().rev().map(|(case, _)| case.only).collect();
    let rows = names.len();
    let mut picture = Picture::new(
        860,
        170 + 26 * rows as u32,
        "How many times as long as keops-solve others take",
    )?;
    let mut panel = picture.panel(
        "",
        [0.12, 0.0, 1.0, 1.0],
        Axis::logarithmic("times ours", 0.1, 1000.0),
        Axis::names("", &names),
    )?;
    let rows = || {
        let upwards = records.iter().rev().enumerate();
        upwards.map(|(row, (case, record))| (row as f64, *case, record))
    };
    panel.line(
        [(1.0, -0.5), (1.0, names.len() as f64 - 0.5)],
        GREY,
        1.5,
        "",
    )?;
    let others = rows().flat_map(|(row, _, record)| {
        record.lines[1..].iter().filter_map(move |line| {
            let known = [ONE_THREAD, UNSYMMETRIC].contains(&line.peer.as_str())
                || line.peer.starts_with("PyKeOps");
            let ratio = line.outcome.as_ref().ok()?[1];
            (!known).then_some((ratio, row))
        })
    });
    panel.dots(
        others,
        GREY,
        3.5,
        0.8,
        "C++, faer, NumPy, SciPy, scikit-learn",
    )?;
    let native = rows().flat_map(|(row, _, record)| {
        let lines = record.lines.iter();
        lines.filter_map(move |line| {
            let native = line.peer.starts_with("PyKeOps") && line.peer != PYKEOPS;
            Some((line.outcome.as_ref().ok().filter(|_| native)?[1], row))
        })
    });
    panel.dots(native, ORANGE, 4.5, 0.9, "PyKeOps, native")?;
    let default = rows().filter_map(|(row, _, record)| Some((record.ratio(PYKEOPS)?, row)));
    panel.dots(default, BLUE, 4.5, 0.9, "PyKeOps")?;
    for (row, case, _) in rows() {
        if let Some(Target::Ratio(wanted)) = case.target {
            let name = if case.only == "gaussian-f32" {
                "aimed at"
            } else {
                ""
            };
            panel.line(
                [(wanted, row - 0.35), (wanted, row + 0.35)],
                GREEN,
                2.0,
                name,
            )?;
        }
    }
    panel.legend()?;
    picture.save(path)
}
