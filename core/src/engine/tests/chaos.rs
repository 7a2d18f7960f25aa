//! Two engines under arbitrary interleavings, cuts and corruption: no panic, no hang, no leak, one outcome a call.

use alloc::collections::BTreeMap;
use core::time::Duration;

use bytes::BytesMut;
use proptest::prelude::*;

use super::Net;
use crate::engine::{Event, OpId};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Call {
        from: usize,
        size: usize,
    },
    Cancel {
        nth: usize,
    },
    Answer {
        node: usize,
    },
    Deliver {
        pieces: u8,
    },
    /// Cuts what is on the way first into two arrivals.
    Split {
        at: u8,
    },
    Corrupt {
        at: u16,
    },
    Drop,
    Cut,
    Restart {
        node: usize,
    },
    Wait {
        ms: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, prop_oneof![0..100_usize, Just(70_000), Just(300_000)])
            .prop_map(|(from, size)| Step::Call { from, size }),
        2 => (0..20_usize).prop_map(|nth| Step::Cancel { nth }),
        4 => (0..2_usize).prop_map(|node| Step::Answer { node }),
        10 => (1..20_u8).prop_map(|pieces| Step::Deliver { pieces }),
        3 => any::<u8>().prop_map(|at| Step::Split { at }),
        1 => any::<u16>().prop_map(|at| Step::Corrupt { at }),
        1 => Just(Step::Drop),
        1 => Just(Step::Cut),
        1 => (0..2_usize).prop_map(|node| Step::Restart { node }),
        3 => (0..3_000_u16).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// The calls of the present lives of both nodes.
#[derive(Default)]
struct Started {
    ops: BTreeMap<(usize, u64, OpId), usize>,
    lives: [u64; 2],
}

fn apply(net: &mut Net, started: &mut Started, step: &Step) {
    match *step {
        Step::Call { from, size } => {
            if let Ok(op) = net.call(from, 1 - from, "echo", alloc::vec![3; size]) {
                started.ops.insert((from, started.lives[from], op), 0);
            }
        }
        Step::Cancel { nth } => {
            if let Some((node, _, op)) = started.ops.keys().nth(nth).copied() {
                let now = net.now;
                net.node(node).cancel(now, op);
            }
        }
        Step::Answer { node } => {
            for (request, payload) in net.requests(node) {
                net.reply(node, request, Ok(payload));
            }
        }
        Step::Deliver { pieces } => {
            net.drain();
            for _ in 0..pieces {
                net.deliver();
            }
        }
        Step::Split { at } => {
            if let Some((to, mut data)) = net.wire.pop_front() {
                let second = data.split_off(usize::from(at).min(data.len()));
                for part in [second, data] {
                    if !part.is_empty() {
                        net.wire.push_front((to, part));
                    }
                }
                net.deliver();
            }
        }
        Step::Corrupt { at } => {
            if let Some((_, data)) = net.wire.front_mut()
                && !data.is_empty()
            {
                let at = usize::from(at) % data.len();
                data[at] ^= 0x40;
            }
        }
        Step::Drop => {
            // A stream that loses bytes without noticing, as no TCP does, must be noticed by the records.
            if net.wire.front().is_some_and(|(_, data)| !data.is_empty()) {
                net.wire.pop_front();
            }
        }
        Step::Cut => net.cut(0, 1),
        Step::Restart { node } => {
            count_outcomes(net, started);
            net.kill(node, true);
            net.events[node].clear();
            started.lives[node] += 1;
            let incarnation = started.lives[node] + 1;
            net.start(node, incarnation, super::config(node));
            net.connect(node, 1 - node);
        }
        Step::Wait { ms } => net.run_for(Duration::from_millis(ms.into())),
    }
}

/// Moves the outcomes that are there into the books.
fn count_outcomes(net: &mut Net, started: &mut Started) {
    net.drain();
    for node in 0..2 {
        for event in &net.events[node] {
            if let Event::CallDone { op, .. } = event {
                *started
                    .ops
                    .get_mut(&(node, started.lives[node], *op))
                    .expect("an outcome of a call that was started") += 1;
            }
        }
        net.events[node].retain(|event| !matches!(event, Event::CallDone { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_call_has_one_outcome_and_nothing_leaks(
        steps in proptest::collection::vec(step(), 1..120),
        echo in any::<bool>(),
    ) {
        let mut net = Net::pair();
        net.echo = echo;
        net.connect(1, 0);
        let mut started = Started::default();
        for step in steps {
            apply(&mut net, &mut started, &step);
        }
        // Peace: the calls end by their deadlines at the latest, the nodes find each other, and nothing is left.
        net.run_for(Duration::from_secs(30));
        net.run_until("they found each other", |net| net.node(0).peers().len() == 1 && net.node(1).peers().len() == 1);
        net.run_for(Duration::from_secs(10));
        count_outcomes(&mut net, &mut started);
        for ((node, life, op), outcomes) in &started.ops {
            let still_alive = *life == started.lives[*node];
            prop_assert!(*outcomes <= 1, "{op:?} of node {node} ended {outcomes} times");
            prop_assert!(!still_alive || *outcomes == 1, "{op:?} of node {node} never ended");
        }
        net.assert_quiet();
        net.echo = true;
        let op = net.call(0, 1, "echo", "fresh").unwrap();
        prop_assert!(net.wait_for(0, op).is_ok());
    }

    #[test]
    fn an_engine_survives_arbitrary_bytes_in_arbitrary_portions(
        portions in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20),
        dialled in any::<bool>(),
    ) {
        let mut net = Net::new(2);
        net.connect(0, 1);
        net.drain();
        net.wire.clear();
        let node = usize::from(!dialled);
        let link = crate::engine::LinkId(if dialled { 1 } else { 2 });
        for portion in portions {
            if !portion.is_empty() {
                net.input(node, crate::engine::Input::Received { link, data: BytesMut::from(&portion[..]) });
            }
        }
        net.run_for(Duration::from_secs(5));
        net.assert_quiet();
    }
}
