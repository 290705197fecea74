//! What commands say: for people in lines, with `--json` in one object a line; failures as one sentence on stderr.

use std::fmt::Display;
use std::io::Write;

/// A sentence that says what went wrong and, where it helps, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Failure {
        Failure(sentence.into())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure(error.to_string())
    }
}

/// What a command comes to.
pub(crate) type Done = Result<(), Failure>;

/// Where commands say what they did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Output {
        Output { json }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Says one thing on stdout. A reader that went away is no failure of the command.
    pub(crate) fn say(self, line: impl Display, object: &serde_json::Value) {
        let mut out = std::io::stdout().lock();
        let _ = if self.json { writeln!(out, "{object}") } else { writeln!(out, "{line}") };
        let _ = out.flush();
    }

    /// Writes a text as it is on stdout. A reader that went away is no failure of the command.
    pub(crate) fn write(self, text: &[u8]) {
        let _ = std::io::stdout().lock().write_all(text);
    }

    /// Says how long work goes on stderr; not in JSON, where only results are wanted.
    pub(crate) fn progress(self, line: impl Display) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    /// Says why the command failed.
    pub(crate) fn failed(self, failure: &Failure) {
        let mut err = std::io::stderr().lock();
        let _ = if self.json {
            writeln!(err, "{}", serde_json::json!({ "error": failure.0 }))
        } else {
            writeln!(err, "kalends: {}", failure.0)
        };
    }
}
