//! What is carried: bytes that tell their place, so that one which is lost, repeated or moved is noticed.

use bytes::Bytes;

/// Bytes of one item, and of one write to a raw socket.
pub(super) const ITEM: usize = 64 * 1024;
const WORD: usize = 8;

/// Whole words of eight bytes from `position` on, in bytes.
pub(super) fn item(position: u64, len: usize) -> Bytes {
    let first = position / WORD as u64;
    (first..first + (len / WORD) as u64).flat_map(|number| word(number).to_le_bytes()).collect()
}

/// The length of each piece of so many bytes, and where it begins.
pub(super) fn pieces(bytes: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..bytes).step_by(ITEM).map(move |position| (position, (bytes - position).min(ITEM as u64) as usize))
}

/// Whether these are the bytes that belong at `position`, a multiple of eight.
pub(super) fn is_right(position: u64, data: &[u8]) -> bool {
    let first = position / WORD as u64;
    data.len().is_multiple_of(WORD)
        && (first..).zip(data.chunks_exact(WORD)).all(|(number, bytes)| *bytes == word(number).to_le_bytes())
}

/// An odd factor: no two places have the same word.
fn word(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::{ITEM, is_right, item, pieces};

    #[test]
    fn what_is_not_in_its_place_is_wrong() {
        let data = item(ITEM as u64, 800);
        assert!(is_right(ITEM as u64, &data));
        assert!(!is_right(0, &data));
        assert!(!is_right(ITEM as u64, &data[8..]));
        assert!(!is_right(ITEM as u64, &data[..799]));
        let mut changed = data.to_vec();
        changed[500] ^= 1;
        assert!(!is_right(ITEM as u64, &changed));
    }

    #[test]
    fn pieces_are_all_of_it() {
        let bytes = 2 * ITEM as u64 + 8;
        assert_eq!(pieces(bytes).collect::<Vec<_>>(), [(0, ITEM), (ITEM as u64, ITEM), (2 * ITEM as u64, 8)]);
    }
}
