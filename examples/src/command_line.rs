//! Options of the form `--name value`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;

/// What an option can set.
pub trait Setting {
    /// Takes the value that was given.
    ///
    /// # Errors
    /// If the text does not stand for such a value.
    fn set(&mut self, value: OsString) -> Result<(), lexopt::Error>;
}

impl Setting for PathBuf {
    fn set(&mut self, value: OsString) -> Result<(), lexopt::Error> {
        *self = value.into();
        Ok(())
    }
}

/// Seconds, of which there may be fractions.
impl Setting for Duration {
    fn set(&mut self, value: OsString) -> Result<(), lexopt::Error> {
        let text = value.to_string_lossy();
        let seconds = text.parse().ok().map(Duration::try_from_secs_f64);
        *self = match seconds {
            Some(Ok(duration)) if !duration.is_zero() => duration,
            _ => return Err(format!("expected a number of seconds, got '{text}'").into()),
        };
        Ok(())
    }
}

/// Reads the command line of this process: every option may be given once or more, as `--name value` or
/// `--name=value`, and the last one counts. `--help` prints `help` and ends the process.
///
/// # Errors
/// If there is anything but these options with values that they accept.
pub fn read(help: &str, options: &mut [(&str, &mut dyn Setting)]) -> Result<(), lexopt::Error> {
    if parse(lexopt::Parser::from_env(), options)? {
        println!("{}", help.trim());
        std::process::exit(0);
    }
    Ok(())
}

/// Sets the options; whether help was asked for.
fn parse(
    mut parser: lexopt::Parser,
    options: &mut [(&str, &mut dyn Setting)],
) -> Result<bool, lexopt::Error> {
    while let Some(argument) = parser.next()? {
        if matches!(argument, Arg::Long("help") | Arg::Short('h')) {
            return Ok(true);
        }
        let known = options
            .iter_mut()
            .find(|(name, _)| argument == Arg::Long(name));
        let Some((name, setting)) = known else {
            return Err(argument.unexpected());
        };
        let name = *name;
        setting
            .set(parser.value()?)
            .map_err(|error| format!("--{name}: {error}"))?;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<(bool, PathBuf, Duration), String> {
        let (mut path, mut limit) = (PathBuf::from("default"), Duration::from_secs(10));
        let help = parse(
            lexopt::Parser::from_args(arguments),
            &mut [("output", &mut path), ("time-limit", &mut limit)],
        )
        .map_err(|error| error.to_string())?;
        Ok((help, path, limit))
    }

    #[test]
    fn options_replace_defaults() {
        let ten = Duration::from_secs(10);
        assert_eq!(parsed(&[]), Ok((false, "default".into(), ten)));
        let given = parsed(&["--time-limit", "0.5", "--output=a b.png"]);
        assert_eq!(
            given,
            Ok((false, "a b.png".into(), Duration::from_millis(500)))
        );
        assert!(parsed(&["--help"]).unwrap().0);
        assert!(parsed(&["-h"]).unwrap().0);
    }

    #[test]
    fn errors_name_the_option() {
        let error = |arguments: &[&str]| parsed(arguments).unwrap_err();
        assert_eq!(error(&["--points", "5"]), "invalid option '--points'");
        assert_eq!(error(&["5"]), "unexpected argument \"5\"");
        assert_eq!(
            error(&["--output"]),
            "missing argument for option '--output'"
        );
        for seconds in ["ten", "-1", "0", "NaN", "inf", "1e300"] {
            let message = format!("--time-limit: expected a number of seconds, got '{seconds}'");
            assert_eq!(error(&["--time-limit", seconds]), message);
        }
    }
}
