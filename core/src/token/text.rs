//! Tokens as text: `lwt1.` and base64url (RFC 4648, section 5) without padding.

use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64UrlUnpadded, Encoding as _};

use super::{TOKEN_LEN_MAX, TokenError};

/// What is in front of the digits.
pub(super) const PREFIX: &str = "lwt1.";
/// Longest text in bytes.
pub(super) const TEXT_LEN_MAX: usize = PREFIX.len() + (TOKEN_LEN_MAX * 4).div_ceil(3);

pub(super) fn written(token: &[u8]) -> String {
    let mut text = String::from(PREFIX);
    text.push_str(&Base64UrlUnpadded::encode_string(token));
    text
}

pub(super) fn read(text: &str) -> Result<Vec<u8>, TokenError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(TokenError::TooLong(text.len() * 3 / 4));
    }
    let digits = text.strip_prefix(PREFIX).ok_or(TokenError::Text)?;
    // One spelling only: bits behind the last byte are zero, or the decoder refuses.
    Base64UrlUnpadded::decode_vec(digits).map_err(|_| TokenError::Text)
}
