//! What is printed for people and pipes.

use std::io::{self, Write};

use crate::failure::Failure;

/// Prints one line. A reader that has gone away (`| head`) is no failure.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes()).and_then(|()| bytes(b"\n"))
}

/// The same; gives whether anybody reads on, for what goes on printing.
pub(crate) fn line_heard(text: &str) -> Result<bool, Failure> {
    write(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn bytes(data: &[u8]) -> Result<(), Failure> {
    write(data).map(drop)
}

/// Writes to standard output. `false`: the reader has gone away.
fn write(data: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::operation(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints rows with their columns below each other; the last column is as wide as it is.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Result<(), Failure> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter().try_for_each(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end())
    })
}
