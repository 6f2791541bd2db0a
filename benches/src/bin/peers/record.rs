//! What contests found, kept in files, so that runs of single tasks add up to one table.

use std::fs;
use std::path::{Path, PathBuf};

/// How a contestant fared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) peer: String,
    /// Its seconds, the median paired ratio to ours, and its error; or why there are none.
    pub(crate) outcome: Result<[f64; 3], String>,
}

impl Line {
    pub(crate) fn new(peer: &str, seconds: f64, ratio: f64, error: f64) -> Self {
        Self {
            peer: peer.to_owned(),
            outcome: Ok([seconds, ratio, error]),
        }
    }

    pub(crate) fn skipped(peer: &str, reason: &str) -> Self {
        Self {
            peer: peer.to_owned(),
            outcome: Err(reason.replace(['\n', '\t'], " ")),
        }
    }

    fn write(&self) -> String {
        match &self.outcome {
            Ok([seconds, ratio, error]) => {
                format!("{}\t{seconds}\t{ratio}\t{error}\n", self.peer)
            }
            Err(reason) => format!("{}\t{reason}\n", self.peer),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split('\t').collect();
        match fields[..] {
            [peer, seconds, ratio, error] => {
                let number = |text: &str| text.parse().ok();
                Some(Self::new(
                    peer,
                    number(seconds)?,
                    number(ratio)?,
                    number(error)?,
                ))
            }
            [peer, reason] => Some(Self::skipped(peer, reason)),
            _ => None,
        }
    }
}

/// A contest: ours first.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    /// Pairs that were reduced, unless it was a system.
    pub(crate) pairs: Option<f64>,
    pub(crate) lines: Vec<Line>,
}

impl Record {
    fn path(directory: &Path, task: &str, threads: usize) -> PathBuf {
        directory.join(format!("records/{task}-{threads}.tsv"))
    }

    /// Keeps it, instead of the last one of the same task and number of threads.
    ///
    /// # Errors
    /// Those of writing a file.
    pub(crate) fn save(&self, directory: &Path, task: &str, threads: usize) -> Result<(), String> {
        let path = Self::path(directory, task, threads);
        let mut text = self.pairs.map_or(String::new(), |pairs| pairs.to_string()) + "\n";
        text.extend(self.lines.iter().map(Line::write));
        fs::create_dir_all(directory.join("records"))
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The last one of a task, if there is one.
    pub(crate) fn load(directory: &Path, task: &str, threads: usize) -> Option<Self> {
        let text = fs::read_to_string(Self::path(directory, task, threads)).ok()?;
        let mut lines = text.lines();
        let pairs = lines.next()?.parse().ok();
        let lines = lines.map(Line::read).collect::<Option<Vec<_>>>()?;
        (!lines.is_empty()).then_some(Self { pairs, lines })
    }

    /// Ours.
    pub(crate) fn ours(&self) -> [f64; 3] {
        self.lines[0].outcome.clone().unwrap_or([f64::NAN; 3])
    }

    /// The line of a peer.
    pub(crate) fn of(&self, peer: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.peer == peer)
    }

    /// How many times as long as ours a peer takes.
    pub(crate) fn ratio(&self, peer: &str) -> Option<f64> {
        self.of(peer)?
            .outcome
            .as_ref()
            .ok()
            .map(|[_, ratio, _]| *ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Record};

    #[test]
    fn records_are_read_as_they_were_written() {
        let directory = std::env::temp_dir().join(format!("keops-peers-{}", std::process::id()));
        let record = Record {
            pairs: Some(4e8),
            lines: vec![
                Line::new("ours", 0.1, 1.0, 2.5e-7),
                Line::skipped("theirs", "no\tanswer"),
            ],
        };
        record.save(&directory, "task", 2).unwrap();
        let read = Record::load(&directory, "task", 2).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(read, record);
        assert_eq!(read.ours(), [0.1, 1.0, 2.5e-7]);
        assert_eq!(
            (read.ratio("ours"), read.ratio("theirs")),
            (Some(1.0), None)
        );
        assert_eq!(Record::load(&directory, "task", 1), None);
    }
}
