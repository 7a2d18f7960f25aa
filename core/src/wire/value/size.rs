//! How long an encoding is, and how deep it nests.

use crate::wire::cbor::DEPTH_MAX;

use super::ValueError;

/// Length and depth of an encoding. Containers keep theirs, so a node that is shared a million times is measured
/// once, and an encoding that would not fit is refused before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes; stays at the greatest number instead of wrapping.
    pub(super) len: u64,
    /// Arrays, maps and tags around the innermost item.
    pub(super) depth: u32,
}

impl Size {
    pub(super) const NOTHING: Self = Self::flat(0);

    /// `len` bytes that nest nothing.
    pub(super) const fn flat(len: u64) -> Self {
        Self { len, depth: 0 }
    }

    /// A byte or text string of `len` bytes.
    pub(super) const fn string(len: usize) -> Self {
        Self::flat(head_len(len as u64) + len as u64)
    }

    /// Two items side by side.
    pub(super) fn beside(self, other: Self) -> Self {
        Self { len: self.len.saturating_add(other.len), depth: self.depth.max(other.depth) }
    }

    /// The same items inside an array, map or tag with this argument.
    pub(super) fn inside(self, argument: u64) -> Self {
        Self { len: self.len.saturating_add(head_len(argument)), depth: self.depth.saturating_add(1) }
    }

    /// Refuses what is longer than `len_max` or deeper than readers go.
    pub(super) fn check(self, len_max: usize) -> Result<(), ValueError> {
        if self.len == u64::MAX || self.len > len_max as u64 {
            return Err(ValueError::TooLarge { len_max });
        }
        if self.depth as usize > DEPTH_MAX {
            return Err(ValueError::TooDeep);
        }
        Ok(())
    }
}

/// Bytes of a head with this argument.
pub(super) const fn head_len(argument: u64) -> u64 {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}
