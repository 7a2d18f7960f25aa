//! Predicates as they are written on the command line.

use lacewing::Predicate;

use crate::failure::Failure;

/// Reads an expression. One that is wrong is shown, with a mark under the place where it goes wrong.
pub(crate) fn parse(text: &str) -> Result<Predicate, Failure> {
    text.parse::<Predicate>().map_err(|error| {
        let line = format!("the expression is wrong at column {}", error.column);
        Failure::usage(line).showing(error.render(text))
    })
}
