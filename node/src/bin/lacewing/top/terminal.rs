//! A screen that is drawn over and over, where there is one.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;
use crate::screen;

/// The other screen of a terminal, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the top left; the rest of the line, or of the screen, is cleared.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";

/// Where sheets are shown. What a terminal was like before comes back when it is dropped.
pub(super) enum Terminal {
    /// Drawn over.
    Screen,
    /// One after the other.
    Lines {
        /// Whether one was shown.
        shown: bool,
    },
}

impl Terminal {
    /// A screen if standard output is a terminal that can have one, unless plain lines are asked for.
    pub(super) fn of(plain: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        if plain || is_dumb || cfg!(not(unix)) || !io::stdout().is_terminal() {
            return Self::Lines { shown: false };
        }
        let _ = put(ENTER);
        Self::Screen
    }

    /// Whether it is a screen, and somebody watches it.
    fn is_live(&self) -> bool {
        matches!(self, Self::Screen)
    }

    /// Shows a sheet. `false`: nobody reads on.
    pub(super) fn show(&mut self, lines: &[String]) -> Result<bool, Failure> {
        match self {
            Self::Lines { shown } => {
                let between = if std::mem::replace(shown, true) { "\n" } else { "" };
                screen::line_heard(&format!("{between}{}", lines.join("\n")))
            }
            Self::Screen => {
                let (columns, rows) = size();
                put(&frame(lines, columns, rows)).map(|()| true)
            }
        }
    }

    /// Says something in the first line of a screen, and leaves the rest as it was. `false`: there is no screen.
    pub(super) fn note(&mut self, text: &str) -> Result<bool, Failure> {
        if !self.is_live() {
            return Ok(false);
        }
        let (columns, _) = size();
        put(&format!("{HOME}{}{CLEAR_LINE}", cut(text, columns)))?;
        Ok(true)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.is_live() {
            let _ = put(LEAVE);
        }
    }
}

/// What draws a sheet on a screen of this size.
fn frame(lines: &[String], columns: usize, rows: usize) -> String {
    let mut frame = HOME.to_owned();
    for (row, line) in lines.iter().take(rows).enumerate() {
        // A line break in the last row would scroll.
        frame.push_str(if row == 0 { "" } else { "\r\n" });
        frame.push_str(&cut(line, columns));
        frame.push_str(CLEAR_LINE);
    }
    if lines.len() < rows {
        frame.push_str(CLEAR_BELOW);
    }
    frame
}

/// As much of a line as fits.
fn cut(line: &str, columns: usize) -> String {
    line.chars().filter(|c| !c.is_control()).take(columns).collect()
}

fn put(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::operation(format!("cannot write to standard output: {error}")))
}

/// Columns and rows of the terminal; what most have where it does not say.
#[cfg(unix)]
fn size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        Ok(_) | Err(_) => (80, 24),
    }
}

#[cfg(not(unix))]
fn size() -> (usize, usize) {
    (80, 24)
}

#[cfg(test)]
mod tests {
    use super::{cut, frame};

    #[test]
    fn a_sheet_is_cut_to_the_screen() {
        let lines = ["first line", "second line", "third line"].map(str::to_owned);
        assert_eq!(frame(&lines, 5, 2), "\x1b[Hfirst\x1b[K\r\nsecon\x1b[K");
        assert_eq!(frame(&lines[..1], 80, 2), "\x1b[Hfirst line\x1b[K\x1b[J");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(cut("a\x1b[2J\r\nb", 80), "a[2Jb");
    }
}
