//! Time series in CSV files.

use std::path::{Path, PathBuf};

/// A quantity over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// When.
    pub times: Vec<f64>,
    /// How much.
    pub values: Vec<f64>,
}

/// What is wrong with a file. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The file cannot be read, or is no text.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A line does not consist of two fields.
    #[error("{}, line {line}: expected 2 columns (time, value), got {found}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The number of fields.
        found: usize,
    },
    /// A field is not a finite number.
    #[error("{}, line {line}: expected a finite number as the {column}, got '{text}'", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// `time` or `value`.
        column: &'static str,
        /// The field.
        text: String,
    },
    /// The series does not reach over enough time.
    #[error(
        "{}: expected a series over {expected} years at least, got {found} values over {years:.1} years",
        path.display()
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// The least number of years.
        expected: f64,
        /// The number of values.
        found: usize,
        /// The time from the earliest to the latest.
        years: f64,
    },
}

/// Reads a CSV file of two columns, a time in years and a value, under one line of headings, in order of time or not.
/// The series must reach over `years` at least.
///
/// # Errors
/// See [`SeriesError`].
pub fn read(path: &Path, years: f64) -> Result<Series, SeriesError> {
    let unreadable = |source| SeriesError::Unreadable {
        path: path.into(),
        source,
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(unreadable)?;
    let mut series = Series::default();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let (Some(time), Some(value), 2) = (record.get(0), record.get(1), record.len()) else {
            let found = record.len();
            return Err(SeriesError::Columns {
                path: path.into(),
                line,
                found,
            });
        };
        let number = |column, text: &str| match text.parse() {
            Ok(number) if f64::is_finite(number) => Ok(number),
            _ => Err(SeriesError::Number {
                path: path.into(),
                line,
                column,
                text: text.into(),
            }),
        };
        series.times.push(number("time", time)?);
        series.values.push(number("value", value)?);
    }
    let (first, last) = series.span();
    let covered = (last - first).max(0.0);
    if covered < years {
        return Err(SeriesError::Short {
            path: path.into(),
            expected: years,
            found: series.times.len(),
            years: covered,
        });
    }
    Ok(series)
}

impl Series {
    /// The earliest and the latest time; of an empty series, infinity and minus infinity.
    pub fn span(&self) -> (f64, f64) {
        let first = self.times.iter().copied().fold(f64::INFINITY, f64::min);
        let last = self.times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (first, last)
    }

    /// The parts before a time, and from it on.
    pub fn split_at(&self, time: f64) -> (Self, Self) {
        let (mut before, mut after) = (Self::default(), Self::default());
        for (&t, &value) in self.times.iter().zip(&self.values) {
            let part = if t < time { &mut before } else { &mut after };
            part.times.push(t);
            part.values.push(value);
        }
        (before, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reading a file of this content gives, with its name left out.
    fn read_text(name: &str, content: impl AsRef<[u8]>) -> Result<Series, String> {
        let file = format!("keops-examples-{}-{name}.csv", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, content).unwrap();
        let result = read(&path, 2.0);
        std::fs::remove_file(&path).unwrap();
        result.map_err(|error| {
            let message = error.to_string();
            let name = path.display().to_string();
            message
                .strip_prefix(&name)
                .expect("names the file")
                .to_owned()
        })
    }

    #[test]
    fn a_good_file() {
        let series = read_text("good", "year,co2\n1990.0, 350.5\r\n1992.0,3.6e2\n").unwrap();
        assert_eq!(series.times, [1990.0, 1992.0]);
        assert_eq!(series.values, [350.5, 360.0]);
        assert_eq!(series.span(), (1990.0, 1992.0));
        let (before, after) = series.split_at(1992.0);
        assert_eq!((before.values, after.values), (vec![350.5], vec![360.0]));
    }

    #[test]
    fn bad_files_are_told_apart() {
        let columns = |line, n| format!(", line {line}: expected 2 columns (time, value), got {n}");
        let one = read_text("one", "year\n1990\n1991\n");
        assert_eq!(one, Err(columns(2, 1)));
        let three = read_text("three", "year,co2\n1990,350\n1991,351,0\n");
        assert_eq!(three, Err(columns(3, 3)));

        for text in ["n/a", "", "NaN", "inf"] {
            let result = read_text("number", format!("year,co2\n1990,350\n1991,{text}\n"));
            let message = format!(", line 3: expected a finite number as the value, got '{text}'");
            assert_eq!(result, Err(message));
        }
        let time = read_text("time", "year,co2\nMay 1990,350\n");
        let message = ", line 2: expected a finite number as the time, got 'May 1990'";
        assert_eq!(time, Err(message.into()));
    }

    #[test]
    fn short_files() {
        let short = |n, years| {
            format!(": expected a series over 2 years at least, got {n} values over {years} years")
        };
        assert_eq!(read_text("empty", ""), Err(short(0, "0.0")));
        assert_eq!(read_text("heading", "year,co2\n"), Err(short(0, "0.0")));
        let brief = read_text("brief", "year,co2\n1990,350\n1991.5,351\n");
        assert_eq!(brief, Err(short(2, "1.5")));
    }

    #[test]
    fn files_that_cannot_be_read() {
        let missing = read(Path::new("no/such/file.csv"), 2.0).unwrap_err();
        let message = missing.to_string();
        assert!(message.starts_with("no/such/file.csv: "), "{message}");
        assert!(matches!(missing, SeriesError::Unreadable { .. }));
        let binary = read_text("binary", b"year,co2\n\xff\xfe,1\n").unwrap_err();
        assert!(binary.contains("UTF-8"), "{binary}");
    }
}
