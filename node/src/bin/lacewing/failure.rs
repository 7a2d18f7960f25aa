//! How the command ends when it does not end well.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// A line for people, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: u8,
    text: String,
    /// What was wrong, with a mark under the place.
    shown: Option<String>,
}

impl Failure {
    /// The operation failed: exit code 1.
    pub(crate) fn operation(text: impl Display) -> Self {
        Self { exit: 1, text: text.to_string(), shown: None }
    }

    /// Wrong usage or environment: exit code 2.
    pub(crate) fn usage(text: impl Display) -> Self {
        Self { exit: 2, text: text.to_string(), shown: None }
    }

    /// Interrupted: exit code 130.
    pub(crate) fn interrupted() -> Self {
        Self { exit: 130, text: "interrupted".to_owned(), shown: None }
    }

    /// The same, with some lines beneath that show the place. They hold no control characters.
    pub(crate) fn showing(self, lines: String) -> Self {
        Self { shown: Some(lines), ..self }
    }

    /// Says it on stderr, in one line, and what is shown beneath.
    pub(crate) fn report(&self) -> ExitCode {
        let line: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // JSON is for programs, which need no name in front.
        let prefix = if line.starts_with('{') { "" } else { "lacewing: " };
        // Where even stderr is closed, the exit code says it all.
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "{prefix}{line}");
        for line in self.shown.iter().flat_map(|shown| shown.lines()) {
            let _ = writeln!(stderr, "  {line}");
        }
        ExitCode::from(self.exit)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<lacewing::StartError> for Failure {
    /// A node does not start because of what it was given, or because of the machine it is on.
    fn from(error: lacewing::StartError) -> Self {
        Self::usage(error)
    }
}
