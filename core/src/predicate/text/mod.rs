//! The text form, for people: `hardware.gpu and hardware.memory_gb >= 64`.
//!
//! ```text
//! expression = conjunction *( "or" conjunction )
//! conjunction = operand *( "and" operand )
//! operand    = *"not" ( clause | "(" expression ")" | ( "all" | "any" ) "(" [ expression *( "," expression ) ] ")" )
//! clause     = tag-key [ ( "=" | "starts_with" | "contains" ) text
//!                      | ( ">=" | "<=" ) ( number | version )
//!                      | "~=" version
//!                      | "in" number ".." number ]
//!            | "meta." name [ ( "=" | "contains" ) text | ">=" number ]
//! tag-key    = ( "hardware." | "software." | "devices." | "dataforts." ) name
//! name       = 1*( letter | digit | "_" | "-" | "." ) | quoted
//! text       = quoted | word                     a word is none of and, or, not, all, any, in, contains, starts_with
//! word       = ( letter | "_" ) *( letter | digit | "_" | "-" | "." )
//! version    = "v" quoted | [ "v" ] digit *( letter | digit | "_" | "-" | "." | "+" )
//!                                                the v may be left out after ~= alone
//! number     = [ "+" | "-" ] 1*digit [ "." 1*digit ] [ ( "e" | "E" ) [ "+" | "-" ] 1*digit ]
//! quoted     = a JSON string
//! ```
//!
//! Letters and digits are those of ASCII. Between the parts of an expression there may be white space; none belongs inside a
//! key, and two words need some between them. The operators `=`, `contains` and the others each belong to one kind of
//! clause, a key alone is `exists`. `and` and `or` with two operands or more are composites with as many children; parentheses
//! make composites of their own. `all(..)` and `any(..)` say the same, and are how composites of one child or none are written.
//!
//! So every tree of nodes has a text, and every text is one tree. A node with several parents is written at each place.

mod error;
mod parser;
mod print;

pub use error::TextError;

/// Words that mean something, and are no texts without quotes.
const RESERVED: [&str; 8] = ["and", "or", "not", "all", "any", "in", "contains", "starts_with"];

/// The word before the name of a metadata key.
const META: &str = "meta";

/// Whether the character can be in a name without quotes.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Whether the character can be in a version without quotes.
fn is_version(c: char) -> bool {
    is_bare(c) || c == '+'
}
