//! How fast questions may come and go: by link, and by asker.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::identity::NodeId;
use crate::time::Instant;

/// Questions that this node sends on one link, each second and at once.
pub(super) const SENT: Pace = Pace::new(512, 2_048);
/// Of what may be sent on a link at once, what is kept for questions of modest neighbours, and of this node.
const KEPT_FOR_THE_MODEST: u32 = 1_024;
/// A neighbour that brings no more than this is modest.
const MODEST: Pace = Pace::new(128, 512);
/// Questions that are taken from one link. What a fair peer sends at once, and what it sent while the link stood still, fits.
pub(super) const HEARD: Pace = Pace::new(512, 6_144);
/// Questions beyond [`HEARD`] that are still answered, though with `incomplete`; beyond them the link is closed.
pub(super) const ENDURED: Pace = Pace::new(512, 4_096);
/// Questions of one asker that are taken from one link.
pub(super) const OF_ASKER: Pace = Pace::new(64, 256);
/// Questions that this node itself asks. Fewer than others take, so that it hears of its limit first.
pub(super) const OWN: Pace = Pace::new(64, 128);
/// Questions by links that are no neighbour's preferred one, which are answered with `incomplete`.
pub(super) const STRAY: Pace = Pace::new(64, 256);

/// Askers with a bucket of their own, for each link. Their buckets are by link, because nothing proves who asked: a
/// neighbour that forges questions uses up what others may ask through itself, and nothing else.
const ASKERS_MAX: usize = 256;

/// A rate, and how much of it may come at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    burst: u32,
}

impl Pace {
    pub(super) const fn new(per_second: u32, burst: u32) -> Self {
        Self { interval: Duration::from_nanos(1_000_000_000 / per_second as u64), burst }
    }
}

/// A token bucket, as the time at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// Takes a token, where there is one.
    pub(super) fn take(&mut self, now: Instant, pace: Pace) -> bool {
        self.take_leaving(now, pace, 0)
    }

    /// Takes a token, where there is one besides those that are kept.
    fn take_leaving(&mut self, now: Instant, pace: Pace, kept: u32) -> bool {
        let full_at = self.full_at.max(now) + pace.interval;
        let there = full_at - now <= pace.interval.saturating_mul(pace.burst - kept);
        if there {
            self.full_at = full_at;
        }
        there
    }
}

/// What becomes of a question that came by a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is taken; `modest` where the neighbour has not brought many lately.
    Taken { modest: bool },
    /// It is answered with `Incomplete`.
    TooMany,
    /// The link is closed.
    Flooding,
}

/// What a neighbour may do.
#[derive(Debug)]
pub(super) struct Neighbour {
    /// Links in the order in which they came up, so that a question remembers whom it went to in one number.
    pub(super) order: u64,
    /// Questions that went to it and that it may still answer.
    pub(super) owes: u32,
    sent: Bucket,
    modest: Bucket,
    heard: Bucket,
    endured: Bucket,
    askers: BTreeMap<NodeId, Bucket>,
}

impl Neighbour {
    pub(super) fn new(order: u64) -> Self {
        Self {
            order,
            owes: 0,
            sent: Bucket::default(),
            modest: Bucket::default(),
            heard: Bucket::default(),
            endured: Bucket::default(),
            askers: BTreeMap::new(),
        }
    }

    /// Whether a question may go to it now. One neighbour that brings many leaves room for those of all others.
    pub(super) fn may_be_asked(&mut self, now: Instant, modest: bool) -> bool {
        self.sent.take_leaving(now, SENT, if modest { 0 } else { KEPT_FOR_THE_MODEST })
    }

    /// A question came from it.
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        if self.heard.take(now, HEARD) {
            Admission::Taken { modest: self.modest.take(now, MODEST) }
        } else if self.endured.take(now, ENDURED) {
            Admission::TooMany
        } else {
            Admission::Flooding
        }
    }

    /// Whether a new question of this asker may come by this link.
    pub(super) fn admit_asker(&mut self, now: Instant, asker: NodeId) -> bool {
        if !self.askers.contains_key(&asker) && self.askers.len() >= ASKERS_MAX {
            self.askers.retain(|_, bucket| bucket.full_at > now);
        }
        if !self.askers.contains_key(&asker) && self.askers.len() >= ASKERS_MAX {
            // The one that has used least of its allowance loses least by a new one.
            let least = self.askers.iter().min_by_key(|(_, bucket)| bucket.full_at).map(|(asker, _)| *asker);
            least.and_then(|asker| self.askers.remove(&asker));
        }
        self.askers.entry(asker).or_default().take(now, OF_ASKER)
    }

    #[cfg(test)]
    pub(super) fn askers_len(&self) -> usize {
        self.askers.len()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use core::time::Duration;

    use super::{Admission, Bucket, ENDURED, HEARD, MODEST, Neighbour, OF_ASKER, OWN, Pace, SENT};
    use crate::time::Instant;

    /// 16384 as `16,384`.
    fn grouped(number: u64) -> String {
        match number {
            0..1_000 => format!("{number}"),
            _ => format!("{},{:03}", number / 1_000, number % 1_000),
        }
    }

    #[test]
    fn the_page_of_the_specification_names_the_limits_that_are_kept() {
        let page = include_str!("../../../docs/spec/discovery.md");
        for (what, pace) in [
            ("questions of one's own", OWN),
            ("questions that are sent on a link", SENT),
            ("questions taken from a link, of one asker", OF_ASKER),
            ("questions taken from a link", HEARD),
            ("questions answered with incomplete on a link", ENDURED),
        ] {
            let per_second = 1_000_000_000 / pace.interval.as_nanos() as u64;
            let row = format!("| {what} | {} | {} |", grouped(per_second), grouped(pace.burst.into()));
            assert!(page.contains(&row), "no row {row:?}");
        }
        let modest = 1_000_000_000 / MODEST.interval.as_nanos();
        assert!(page.contains(&format!("at most {modest} a second and {} at once", MODEST.burst)));
    }

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_drips_in() {
        let pace = Pace::new(10, 3);
        let (mut bucket, mut now) = (Bucket::default(), Instant::from_millis(5_000));
        let mut taken = |now| (0..100).filter(|_| bucket.take(now, pace)).count();
        assert_eq!(taken(now), 3);
        now = now + Duration::from_millis(99);
        assert_eq!(taken(now), 0);
        now = now + Duration::from_millis(1);
        assert_eq!(taken(now), 1);
        now = now + Duration::from_secs(3_600);
        assert_eq!(taken(now), 3);
    }

    /// However many a fair neighbour sends, and even if all of five seconds arrive at once.
    #[test]
    fn what_may_be_sent_is_never_too_much_for_the_one_who_hears_it() {
        let (mut sender, mut receiver) = (Neighbour::new(1), Neighbour::new(1));
        let mut held_up = 0;
        for tick in 0..20_000_u64 {
            let now = Instant::from_millis(1_000 + tick);
            held_up += (0..4).filter(|_| sender.may_be_asked(now, true)).count();
            if tick % 5_000 == 4_999 {
                for _ in 0..core::mem::take(&mut held_up) {
                    assert!(matches!(receiver.admit(now), Admission::Taken { .. }), "after {tick} ms");
                }
            }
        }
    }
}
