//! The error of `main`.

use std::error::Error;
use std::fmt;

/// Any error, for a `main` that returns it: where the standard library would print its fields, it prints its message.
pub struct Failure(Box<dyn Error>);

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The message, because this is what is printed of an error that `main` returns.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_its_message() {
        let error = "x".parse::<f64>().unwrap_err();
        let message = error.to_string();
        assert_eq!(format!("{:?}", Failure::from(error)), message);
    }
}
