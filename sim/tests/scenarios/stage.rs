//! How scenarios write their runs down, execute them, and read what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use lacewing_core::{Code, Instant};
use lacewing_sim::des::Des;
use lacewing_sim::engine::{Options, Outcome, SimEngine};
use lacewing_sim::history::{Entry, What};
use lacewing_sim::oracle;
use lacewing_sim::run::{Flow, Run};
use lacewing_sim::turmoil::Turmoil;

/// Answers after 10 ms with 300 bytes.
pub(crate) const REPLY: &str = r#"{"kind":"reply","after":"10ms","size":300}"#;
/// Does not answer.
pub(crate) const NEVER: &str = r#"{"kind":"never"}"#;

/// Every direction takes exactly 5 ms.
const NET: &str = r#""latency_min":"5ms","latency_max":"5ms","jitter_max":0,"bandwidth":100000000,"window":262144,"retransmit_timeout":"15s""#;
/// Faults are noticed, and got over, sooner than by default, so that a run is over soon.
const TIMING: &str = r#""keepalive_interval":"250ms","down_after":"2s","connect_timeout":"1s","backoff_max":"1s","retire_timeout":"1s""#;
/// Faults end at 8 s, and all is well again at 13 s.
const PHASES: [&str; 4] = ["8s", "13s", "16s", "19s"];

/// From the last byte of a neighbour to the moment at which it is down.
pub(crate) const DETECTION: Duration = Duration::from_secs(2);
/// What a step of an engine, and a hop, may add to a time: turmoil's steps are 1 ms.
pub(crate) const HOP: Duration = Duration::from_millis(8);

/// Nodes and the links between them.
pub(crate) struct Stage {
    nodes: Vec<String>,
    dials: Vec<[usize; 2]>,
    net: String,
    timing: String,
    phases: [&'static str; 4],
    more: String,
}

impl Stage {
    /// So many nodes, and who dials whom.
    pub(crate) fn of(nodes: usize, dials: &[[usize; 2]]) -> Self {
        Self {
            nodes: vec!["{}".to_owned(); nodes],
            dials: dials.to_vec(),
            net: NET.to_owned(),
            timing: TIMING.to_owned(),
            phases: PHASES,
            more: String::new(),
        }
    }

    /// Two nodes, of which the first dials the second.
    pub(crate) fn pair() -> Self {
        Self::of(2, &[[0, 1]])
    }

    /// 0 - 1 - 2 - ...
    pub(crate) fn line(nodes: usize) -> Self {
        let dials: Vec<_> = (1..nodes).map(|node| [node - 1, node]).collect();
        Self::of(nodes, &dials)
    }

    /// A line whose ends are linked.
    pub(crate) fn ring(nodes: usize) -> Self {
        let dials: Vec<_> = (0..nodes).map(|node| [node, (node + 1) % nodes]).collect();
        Self::of(nodes, &dials)
    }

    /// Everybody is linked with everybody.
    pub(crate) fn full(nodes: usize) -> Self {
        let dials: Vec<_> =
            (0..nodes).flat_map(|one| (one + 1..nodes).map(move |other| [one, other])).collect();
        Self::of(nodes, &dials)
    }

    /// 0 and 3, and two ways between them.
    pub(crate) fn diamond() -> Self {
        Self::of(4, &[[0, 1], [0, 2], [1, 3], [2, 3]])
    }

    /// What is special about a node, as JSON.
    pub(crate) fn node(mut self, node: usize, spec: &str) -> Self {
        spec.clone_into(&mut self.nodes[node]);
        self
    }

    /// Another network, as the inside of a JSON object.
    pub(crate) fn net(mut self, net: &str) -> Self {
        net.clone_into(&mut self.net);
        self
    }

    /// Other times, as the inside of a JSON object.
    pub(crate) fn timing(mut self, timing: &str) -> Self {
        timing.clone_into(&mut self.timing);
        self
    }

    /// When the phases heal, fresh, quiet and end begin.
    pub(crate) fn phases(mut self, phases: [&'static str; 4]) -> Self {
        self.phases = phases;
        self
    }

    /// What else there is to say of the run, as the inside of a JSON object.
    pub(crate) fn with(mut self, more: &str) -> Self {
        self.more = format!("{},{more}", self.more);
        self
    }

    /// So many handlers of an action at once, and so many requests that wait, at each node.
    pub(crate) fn limited(self, max: u64, queue: u64) -> Self {
        self.with(&format!(r#""action_limit":{{"max":{max},"queue":{queue}}}"#))
    }

    /// The run in which these items happen here.
    pub(crate) fn run(&self, seed: u64, items: &[String]) -> Run {
        let Self { nodes, dials, net, timing, phases: [heal, fresh, quiet, end], more } = self;
        let phases = format!(r#""heal":"{heal}","fresh":"{fresh}","quiet":"{quiet}","end":"{end}""#);
        let mut text = format!(
            r#"{{"format":2,"wire":1,"plan":"scenario","seed":"{seed}","nodes":[{}],"dials":{dials:?},"net":{{{net}}},"phases":{{{phases}}},"timing":{{{timing}}}{more}}}"#,
            nodes.join(",")
        );
        for item in items {
            text.push('\n');
            text.push_str(item);
        }
        Run::parse("run.jsonl", &text).unwrap_or_else(|error| panic!("{error}"))
    }
}

// --- items

/// A call of 200 bytes to a node.
pub(crate) fn call(t: &str, id: u64, from: usize, to: usize, timeout: &str, handler: &str) -> String {
    sized_call(t, id, from, to, 200, timeout, handler)
}

/// A call of so many bytes.
pub(crate) fn sized_call(
    t: &str,
    id: u64,
    from: usize,
    to: usize,
    size: u64,
    timeout: &str,
    handler: &str,
) -> String {
    format!(
        r#"{{"do":"call","t":"{t}","id":{id},"from":{from},"to":{to},"size":{size},"timeout":"{timeout}","handler":{handler}}}"#
    )
}

/// A call to whoever serves pool 0, with what else there is to say of it as JSON.
pub(crate) fn pool_call(t: &str, id: u64, from: usize, more: &str, handler: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    format!(
        r#"{{"do":"call","t":"{t}","id":{id},"from":{from},"action":{{"pool":0}},"size":200,"timeout":"5s","handler":{handler}{more}}}"#
    )
}

/// A stream, with what there is to say of it as the inside of a JSON object, that ends when nothing has moved for five seconds.
pub(crate) fn stream(t: &str, id: u64, from: usize, to: usize, told: &str, handler: &str) -> String {
    stream_call(t, id, from, to, &format!(r#"{told},"idle":"5s""#), handler)
}

/// A stream, with what there is to say of it as the inside of a JSON object.
pub(crate) fn stream_call(t: &str, id: u64, from: usize, to: usize, told: &str, handler: &str) -> String {
    format!(
        r#"{{"do":"call","t":"{t}","id":{id},"from":{from},"to":{to},"stream":{{{told}}},"size":200,"timeout":"15s","handler":{handler}}}"#
    )
}

/// A node serves pool 0 from now on, in this state.
pub(crate) fn serve(t: &str, node: usize, state: &str) -> String {
    format!(r#"{{"do":"serve","t":"{t}","node":{node},"pool":0,"state":"{state}"}}"#)
}

/// A node serves pool 0 no more.
pub(crate) fn unserve(t: &str, node: usize) -> String {
    format!(r#"{{"do":"unserve","t":"{t}","node":{node},"pool":0}}"#)
}

/// The caller of a call gives up.
pub(crate) fn cancel(t: &str, id: u64) -> String {
    format!(r#"{{"do":"cancel","t":"{t}","id":{id}}}"#)
}

/// A node subscribes to a pattern, with what else there is to say of it as JSON.
pub(crate) fn subscribe(t: &str, id: u64, node: usize, pattern: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(",{more}") };
    format!(
        r#"{{"do":"subscribe","t":"{t}","id":{id},"node":{node},"pattern":"{pattern}","queue":64{more}}}"#
    )
}

/// A node ends a subscription.
pub(crate) fn unsubscribe(t: &str, id: u64, node: usize) -> String {
    format!(r#"{{"do":"unsubscribe","t":"{t}","id":{id},"node":{node}}}"#)
}

/// A node publishes an event of so many bytes.
pub(crate) fn publish(t: &str, id: u64, node: usize, topic: &str, size: u64) -> String {
    format!(r#"{{"do":"publish","t":"{t}","id":{id},"node":{node},"topic":"{topic}","size":{size}}}"#)
}

/// The stream between two nodes breaks, and both are told.
pub(crate) fn reset(t: &str, [one, other]: [usize; 2]) -> String {
    format!(r#"{{"do":"reset","t":"{t}","pair":[{one},{other}]}}"#)
}

/// A node ends, and comes back.
pub(crate) fn crash(t: &str, node: usize, mode: &str, down: &str) -> String {
    format!(r#"{{"do":"crash","t":"{t}","node":{node},"mode":"{mode}","down":"{down}"}}"#)
}

/// Nothing arrives from one node at another, or in neither direction.
pub(crate) fn partition(t: &str, lasts: &str, [from, to]: [usize; 2], dir: &str) -> String {
    format!(r#"{{"do":"partition","t":"{t}","lasts":"{lasts}","from":[{from}],"to":[{to}],"dir":"{dir}"}}"#)
}

/// The stream between two nodes dies, and neither is told.
pub(crate) fn half_open(t: &str, [one, other]: [usize; 2]) -> String {
    format!(r#"{{"do":"half-open","t":"{t}","pair":[{one},{other}]}}"#)
}

/// A member breaks the rules.
pub(crate) fn misbehave(t: &str, lasts: &str, node: usize, how: &str) -> String {
    format!(r#"{{"do":"misbehave","t":"{t}","lasts":"{lasts}","node":{node},"how":"{how}"}}"#)
}

// --- execution

/// Executes a run on the discrete-event engine and on turmoil. Every oracle must be content with both, and so must `check`.
pub(crate) fn on_both(run: &Run, check: impl Fn(&Scene<'_>)) {
    on_des(run, &check);
    on(&Turmoil, run, &check);
}

/// Executes a run on the discrete-event engine alone.
pub(crate) fn on_des(run: &Run, check: impl Fn(&Scene<'_>)) {
    on(&Des, run, check);
}

fn on(engine: &dyn SimEngine, run: &Run, check: impl Fn(&Scene<'_>)) {
    engine.supports(run).unwrap();
    let outcome = engine.execute(run, &mut Options::default());
    let _shown = ShownOnFailure(engine.name(), &outcome);
    assert_eq!(outcome.harness_error, None);
    let violations = oracle::ask_all(run, &outcome.history);
    assert!(violations.is_empty(), "{violations:#?}");
    check(&Scene { outcome: &outcome });
}

/// Shows what happened where something fails.
struct ShownOnFailure<'a>(&'static str, &'a Outcome);

impl Drop for ShownOnFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("on the {} engine:\n{}", self.0, self.1.history.to_text());
        }
    }
}

/// What was seen of a run.
pub(crate) struct Scene<'a> {
    /// All of it.
    pub(crate) outcome: &'a Outcome,
}

impl<'a> Scene<'a> {
    /// What happened at a node.
    pub(crate) fn seen(&self, node: usize, wanted: impl Fn(&What) -> bool) -> Vec<&'a Entry> {
        let entries = self.outcome.history.entries.iter();
        entries.filter(|entry| entry.node == node && wanted(&entry.what)).collect()
    }

    /// How a call ended.
    pub(crate) fn end_of(&self, wanted: u64) -> &'a Entry {
        let is = |entry: &&Entry| matches!(entry.what, What::Ok { op, .. } | What::Fail { op, .. } if op == wanted);
        self.outcome.history.entries.iter().find(is).expect("the oracles have seen to it that there is one")
    }

    /// When a call was answered as it should be.
    #[track_caller]
    pub(crate) fn answered(&self, op: u64) -> Instant {
        let end = self.end_of(op);
        assert!(matches!(end.what, What::Ok { matches: true, .. }), "{end:?}");
        end.t
    }

    /// When a call failed, with which code, and whether it may have been executed.
    #[track_caller]
    pub(crate) fn failed(&self, op: u64) -> (Instant, Code, bool) {
        match self.end_of(op) {
            Entry { t, what: What::Fail { code, maybe_executed, .. }, .. } => (*t, *code, *maybe_executed),
            other => panic!("{other:?}"),
        }
    }

    /// When the messages of one direction of a stream were sent.
    pub(crate) fn sent(&self, wanted: u64, wanted_flow: Flow) -> Vec<&'a Entry> {
        self.all(|what| matches!(what, What::Sent { op, flow, .. } if (*op, *flow) == (wanted, wanted_flow)))
    }

    /// When they were taken.
    pub(crate) fn taken(&self, wanted: u64, wanted_flow: Flow) -> Vec<&'a Entry> {
        self.all(|what| matches!(what, What::Taken { op, flow, .. } if (*op, *flow) == (wanted, wanted_flow)))
    }

    fn all(&self, wanted: impl Fn(&What) -> bool) -> Vec<&'a Entry> {
        self.outcome.history.entries.iter().filter(|entry| wanted(&entry.what)).collect()
    }

    /// Where the handler of a call ran, each time that it did. Its caller and its argument were those of the call.
    #[track_caller]
    pub(crate) fn ran_at(&self, wanted: u64) -> Vec<usize> {
        let mut nodes = Vec::new();
        for entry in &self.outcome.history.entries {
            if let What::Execute { op: Some(op), matches, caller_matches } = entry.what
                && op == wanted
            {
                assert!(matches && caller_matches, "{entry:?}");
                nodes.push(entry.node);
            }
        }
        nodes
    }

    /// The events that a subscription has got, in order, each with its time. Each is as it was published, on its own topic.
    #[track_caller]
    pub(crate) fn events(&self, wanted: u64) -> Vec<(u64, Instant)> {
        let mut events = Vec::new();
        for entry in &self.outcome.history.entries {
            if let What::EventArrives { sub: Some(sub), event, matches } = entry.what
                && sub == wanted
            {
                let event = event.filter(|_| matches);
                events.push((event.unwrap_or_else(|| panic!("{entry:?}")), entry.t));
            }
        }
        events
    }

    /// How many copies of an event were to be made, and how many of them there was no room for; `None` where it was refused.
    #[track_caller]
    pub(crate) fn copies(&self, wanted: u64) -> Option<(u64, u64)> {
        let report = |entry: &Entry| match entry.what {
            What::EventPublished { event, attempted, dropped } if event == wanted => {
                Some(Some((attempted, dropped)))
            }
            What::EventRefused { event, .. } if event == wanted => Some(None),
            _ => None,
        };
        let report = self.outcome.history.entries.iter().find_map(report);
        report.unwrap_or_else(|| panic!("event {wanted} was not published"))
    }

    /// How many of these calls each node has executed.
    pub(crate) fn shares(&self, calls: impl IntoIterator<Item = u64>) -> BTreeMap<usize, usize> {
        let mut shares = BTreeMap::new();
        for node in calls.into_iter().flat_map(|op| self.ran_at(op)) {
            *shares.entry(node).or_insert(0) += 1;
        }
        shares
    }

    /// When neighbours of a node came up.
    pub(crate) fn ups(&self, node: usize) -> Vec<Instant> {
        self.seen(node, |what| matches!(what, What::PeerUp { .. })).iter().map(|entry| entry.t).collect()
    }

    /// When neighbours of a node went down.
    pub(crate) fn downs(&self, node: usize) -> Vec<Instant> {
        self.seen(node, |what| matches!(what, What::PeerDown { .. })).iter().map(|entry| entry.t).collect()
    }

    /// When a node thought that another one of the mesh is gone, and for what reason.
    pub(crate) fn losses(&self, node: usize, other: usize) -> Vec<(Instant, String)> {
        let lost = |what: &What| matches!(what, What::NodeDown { of: Some(of), .. } if *of == other);
        let reason = |entry: &Entry| match &entry.what {
            What::NodeDown { reason, .. } => (entry.t, reason.clone()),
            _ => unreachable!("only these were asked for"),
        };
        self.seen(node, lost).into_iter().map(reason).collect()
    }

    /// How often a coverage mark was reached, at all nodes together.
    pub(crate) fn marked(&self, name: &str) -> u64 {
        self.outcome.tally.marks.get(name).copied().unwrap_or(0)
    }

    /// How many frames each question has taken that was asked in this time.
    pub(crate) fn questions(&self, from: Instant, to: Instant) -> Vec<u64> {
        let questions = self.outcome.history.mesh.questions.values();
        questions
            .filter(|question| from <= question.first && question.first < to)
            .map(|it| it.frames)
            .collect()
    }
}

/// So many milliseconds after the start.
pub(crate) fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Whether something happened after one moment, and at most so long after it.
#[track_caller]
pub(crate) fn assert_within(t: Instant, from: Instant, at_most: Duration) {
    assert!(from <= t && t <= from + at_most, "{t:?} is not within {at_most:?} of {from:?}");
}
