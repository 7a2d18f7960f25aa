//! Numbers in forms and labels. Those in tags and metadata are read by [`crate::capability::number`].

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// The fewest digits that read back as this finite number, as JSON has them: `64.0`, `0.1`, `1e16`, `1.5e-7`.
///
/// The point is always there from 0.00001 up to below 10^16; beyond, there is an exponent.
///
/// ```
/// use lacewing_core::predicate::print_number;
///
/// assert_eq!((print_number(64.0).as_str(), print_number(-1e300).as_str()), ("64.0", "-1e300"));
/// ```
pub fn print_number(number: f64) -> String {
    // `{:e}` has the shortest digits, as d.ddde-x.
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-5..16).contains(&exponent) {
        return scientific;
    }
    let digits = mantissa.replace('.', "");
    let body = match usize::try_from(exponent) {
        Ok(above) if digits.len() <= above + 1 => {
            let zeros = "0".repeat(above + 1 - digits.len());
            format!("{digits}{zeros}.0")
        }
        Ok(above) => {
            let (whole, fraction) = digits.split_at(above + 1);
            format!("{whole}.{fraction}")
        }
        Err(_) => format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
    };
    sign.to_owned() + &body
}

/// As [`print_number`], without `.0` where there is no fraction: for people.
pub(super) fn plain(number: f64) -> String {
    let mut text = print_number(number);
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}
