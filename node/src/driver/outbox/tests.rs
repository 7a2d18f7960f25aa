use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const READING: Orders = Orders { closing: false, reading: true, errand: false };

/// An outbox whose task sleeps.
fn asleep() -> Outbox {
    let outbox = Outbox::default();
    let seen = outbox.collect(&mut VecDeque::new());
    assert!(outbox.park(&Waker::from(Arc::new(Counter::default())), seen));
    outbox
}

#[test]
fn a_sleeping_task_is_woken_once_whatever_comes_after() {
    let outbox = Outbox::default();
    let wakes = Arc::new(Counter::default());
    assert!(outbox.park(&Waker::from(Arc::clone(&wakes)), READING));
    for chunk in ["one", "two", "three"] {
        if let Some(waker) = outbox.push(chunk.into()) {
            waker.wake();
        }
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    let mut chunks = VecDeque::new();
    assert_eq!(outbox.collect(&mut chunks), READING);
    assert_eq!(chunks, ["one", "two", "three"]);
}

#[test]
fn a_task_does_not_fall_asleep_over_bytes_or_orders_that_it_has_not_seen() {
    let waker = Waker::noop();
    let outbox = Outbox::default();
    let mut chunks = VecDeque::new();
    let seen = outbox.collect(&mut chunks);
    assert!(outbox.push("late".into()).is_none(), "it runs: nobody needs to wake it");
    assert!(!outbox.park(waker, seen));
    let seen = outbox.collect(&mut chunks);
    assert!(outbox.set_reading(false).is_none());
    assert!(!outbox.park(waker, seen));
    let seen = outbox.collect(&mut chunks);
    assert!(outbox.close(false).is_none());
    assert!(!outbox.park(waker, seen));
    assert!(outbox.collect(&mut chunks).closing);
}

#[test]
fn errands_are_left_only_for_a_task_that_is_about_to_look() {
    let outbox = Outbox::default();
    assert!(!outbox.leave_errand(), "it may be past its last look");
    let outbox = asleep();
    assert!(!outbox.leave_errand(), "nobody has woken it");
    assert!(outbox.push("bytes".into()).is_some());
    assert!(outbox.leave_errand() && outbox.leave_errand());
    assert!(outbox.collect(&mut VecDeque::new()).errand);
    assert!(!outbox.leave_errand());
    assert!(!outbox.collect(&mut VecDeque::new()).errand, "an errand is run once");
}

#[test]
fn closing_and_reading_again_wake_but_pausing_does_not() {
    assert!(asleep().close(false).is_some());
    assert!(asleep().set_reading(false).is_none());
    assert!(asleep().set_reading(true).is_some());
}

#[test]
fn closing_keeps_the_last_bytes() {
    let outbox = asleep();
    outbox.push("goodbye".into());
    outbox.close(false);
    let mut chunks = VecDeque::new();
    outbox.collect(&mut chunks);
    assert_eq!(chunks, ["goodbye"]);
}
