//! What calls carry. Every byte follows from the run's seed, the operation and the direction, so that whoever sees a payload
//! can tell whether it is the right one.

use bytes::{BufMut, Bytes, BytesMut};
use lacewing_core::engine::{Codec, Payload};
use lacewing_core::{Error, NodeId};

use crate::history::What;
use crate::run::{ActionKind, CallSpec, Flow, Handler, Run, Shape};
use crate::seed::Seed;

/// Which way a payload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the handler.
    Request,
    /// Back from it.
    Reply,
    /// One of those that a caller uploads, by its number from 0.
    Upload(u64),
    /// One of those that a handler sends, by its number from 0.
    Item(u64),
}

impl Way {
    /// A message of a stream.
    pub fn of(flow: Flow, number: u64) -> Self {
        match flow {
            Flow::Uploads => Self::Upload(number),
            Flow::Items => Self::Item(number),
        }
    }
}

/// From this size on a payload starts with the number of its operation.
pub const KEYED_MIN: u64 = 12;

/// The action that every node serves, for calls to somebody in particular whose payload names the operation.
pub const ACTION: &str = "sim/work";

/// The actions that every node serves as streams, for calls of the same kind.
const STREAMS: [(&str, Shape); 3] = [
    ("sim/stream/items", Shape::ServerStream),
    ("sim/stream/uploads", Shape::ClientStream),
    ("sim/stream/both", Shape::Bidirectional),
];

/// What comes before the number of the operation in the action of every other call.
const NAMED: &str = "sim/op/";
const NOBODY: &str = "sim/nobody/";
const POOL: &str = "sim/pool/";
const AREA: &str = "sim/area/";
/// What all topics of plans begin with.
pub const TOPIC: &str = "sim/topic";

/// What payloads from 24 bytes on hold once in each KiB, so that they are recognised where nobody but their two ends should be
/// able to read them.
pub const MARKER: [u8; 16] = *b"\x9e\x1dIn clear!\xf3\x07\xb4\xc6\x5a";
const MARKER_START: u8 = MARKER[0];
/// Words of eight bytes after which the marker comes again.
const MARKER_EVERY: u64 = 128;

/// The path that a call names.
pub fn action(call: &CallSpec<'_>) -> String {
    match call.action {
        ActionKind::Unknown => format!("{NOBODY}{}", call.id),
        ActionKind::Pool(pool) => pool_action(pool),
        ActionKind::Area(number) => area(number),
        ActionKind::Served if call.size >= KEYED_MIN && call.to.is_some() => {
            let stream = STREAMS.iter().find(|(_, shape)| *shape == call.served());
            stream.map_or(ACTION, |(action, _)| action).to_owned()
        }
        ActionKind::Served => format!("{NAMED}{}", call.id),
    }
}

/// Whether the limit of a run on what actions do at once holds for this one.
pub fn is_limited(action: &str) -> bool {
    action == ACTION || action.starts_with(POOL)
}

/// The action of a pool.
pub fn pool_action(pool: u32) -> String {
    format!("{POOL}{pool}")
}

/// The action, and the topic, of an area that nodes guard.
pub fn area(number: u32) -> String {
    format!("{AREA}{number}")
}

/// The area that a topic is that of.
pub fn area_of(topic: &str) -> Option<u32> {
    topic.strip_prefix(AREA)?.parse().ok()
}

/// Whether something shows, to whoever sees it, what the run's calls carry or which actions they name.
pub fn shows_content(bytes: &[u8]) -> bool {
    let content = [
        ACTION.as_bytes(),
        b"sim/stream/",
        NAMED.as_bytes(),
        NOBODY.as_bytes(),
        POOL.as_bytes(),
        AREA.as_bytes(),
        TOPIC.as_bytes(),
        &MARKER,
    ];
    let begins = |at: usize| content.iter().any(|content| bytes[at..].starts_with(content));
    bytes.iter().enumerate().any(|(at, byte)| matches!(*byte, b's' | MARKER_START) && begins(at))
}

/// The actions that a node of a run serves all the time, and in which shape each. Those of streams are there where the run has
/// any, so that other runs are what they were.
pub fn actions_of(run: &Run, node: usize) -> Vec<(String, Shape)> {
    let mut actions = vec![(ACTION.to_owned(), Shape::Unary)];
    let areas = run.header.areas.as_ref().map_or(0, |areas| areas.count);
    actions.extend((0..areas).map(|number| (area(number), Shape::Unary)));
    let calls = run.calls();
    if calls.iter().any(|call| call.stream.is_some()) {
        actions.extend(STREAMS.map(|(action, shape)| (action.to_owned(), shape)));
    }
    let everywhere = actions.len();
    for call in calls {
        if call.action == ActionKind::Served && call.provider(run.header.nodes.len()) == Some(node) {
            let path = action(&call);
            if !actions[..everywhere].iter().any(|(action, _)| *action == path) {
                actions.push((path, call.served()));
            }
        }
    }
    actions
}

/// The operation that a request belongs to; `None` for one that no operation of a run could have sent.
pub fn operation(action: &str, payload: &[u8]) -> Option<u64> {
    if let Some(id) = action.strip_prefix(NAMED) {
        return id.parse().ok();
    }
    let is_stream = STREAMS.iter().any(|(stream, _)| *stream == action);
    if action != ACTION && !is_stream && !action.starts_with(POOL) && !action.starts_with(AREA) {
        return None;
    }
    let (id, _) = payload.split_first_chunk::<8>()?;
    Some(u64::from_be_bytes(*id))
}

/// The payload of an operation.
///
/// ```
/// use lacewing_sim::payload::{self, Way};
/// use lacewing_sim::seed::Seed;
///
/// let payload = payload::build(Seed(1), 7, Way::Request, 100);
/// assert_eq!(payload::operation(payload::ACTION, &payload), Some(7));
/// assert!(payload::matches(Seed(1), 7, Way::Request, 100, &payload));
/// assert!(!payload::matches(Seed(1), 7, Way::Reply, 100, &payload));
/// ```
pub fn build(seed: Seed, id: u64, way: Way, size: u64) -> Bytes {
    let size = usize::try_from(size).expect("runs hold sizes to 64 MiB");
    let mut payload = BytesMut::with_capacity(size + 8);
    if size as u64 >= KEYED_MIN {
        payload.put_u64(id);
    }
    let mut pattern = Pattern::new(seed, id, way);
    while payload.len() < size {
        payload.put_slice(&pattern.next());
    }
    payload.truncate(size);
    payload.freeze()
}

/// Whether `found` is the payload of that operation.
pub fn matches(seed: Seed, id: u64, way: Way, size: u64, found: &[u8]) -> bool {
    if found.len() as u64 != size {
        return false;
    }
    let mut rest = found;
    if size >= KEYED_MIN {
        let Some((head, tail)) = rest.split_first_chunk::<8>() else { return false };
        if u64::from_be_bytes(*head) != id {
            return false;
        }
        rest = tail;
    }
    let mut pattern = Pattern::new(seed, id, way);
    rest.chunks(8).all(|chunk| pattern.next()[..chunk.len()] == *chunk)
}

/// What payloads are filled with, eight bytes at a time.
struct Pattern {
    words: u64,
    mix: SplitMix,
}

impl Pattern {
    fn new(seed: Seed, id: u64, way: Way) -> Self {
        let (way, number) = match way {
            Way::Request => (0x5151_5151_5151_5151, 0),
            Way::Reply => (0xA2A2_A2A2_A2A2_A2A2, 0),
            Way::Upload(number) => (0x1717_1717_1717_1717, number),
            Way::Item(number) => (0xC8C8_C8C8_C8C8_C8C8, number),
        };
        let mut mixed = SplitMix(seed.0 ^ way);
        let id = mixed.next() ^ id.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Self { words: 0, mix: SplitMix(id ^ number.wrapping_mul(0x9FB2_1C65_1E98_DF25)) }
    }

    fn next(&mut self) -> [u8; 8] {
        let place = self.words % MARKER_EVERY;
        self.words += 1;
        let (first, second) = MARKER.split_at(8);
        let marker = [first, second].into_iter().nth(usize::try_from(place).unwrap_or(usize::MAX));
        marker.and_then(|half| half.try_into().ok()).unwrap_or_else(|| self.mix.next().to_le_bytes())
    }
}

/// `SplitMix64` (Steele, Lea and Flood, 2014): short, and the same on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Bytes of the answer to a call; 0 where there is none.
pub fn answer_size(call: &CallSpec<'_>) -> u64 {
    let mut handler = call.handler;
    loop {
        match handler {
            Handler::Reply { size, .. } => return *size,
            Handler::Call { handler: inner, .. } => handler = inner,
            Handler::Fail { .. } | Handler::Never => return 0,
        }
    }
}

/// Whether a call may end well with this: with its answer, or where that came before or is nobody's, with nothing.
pub fn is_answer(seed: Seed, call: &CallSpec<'_>, found: &Payload) -> bool {
    if call.called().has(Flow::Items) || call.policy.cast || call.policy.gather.is_some() {
        return found.data.is_empty();
    }
    answers(seed, call, found)
}

/// Whether this is what the handler of a call answers.
pub fn answers(seed: Seed, call: &CallSpec<'_>, found: &Payload) -> bool {
    found.codec == Codec::Raw && matches(seed, call.id, Way::Reply, answer_size(call), &found.data)
}

/// What is to be written down of the answers to a call that everybody was asked.
pub fn gathered(seed: Seed, call: &CallSpec<'_>, found: &[(NodeId, Result<Payload, Error>)]) -> What {
    let good: Vec<&Payload> = found.iter().filter_map(|(_, answer)| answer.as_ref().ok()).collect();
    let matches = good.iter().all(|answer| answers(seed, call, answer));
    What::Gathered { op: call.id, good: good.len() as u64, matches }
}

/// What goes through a stream as number `number`; `None` behind the last one.
pub fn message(seed: Seed, call: &CallSpec<'_>, flow: Flow, number: u64) -> Option<Payload> {
    let (count, size) = call.sends(flow);
    let data = || build(seed, call.id, way(call, flow, number), size);
    (number < count).then(|| Payload { codec: Codec::Raw, data: data() })
}

/// Which of the messages of a stream this one is: the one that is expected, else any other; `None` where it is none of them.
pub fn recognise(seed: Seed, call: &CallSpec<'_>, flow: Flow, expected: u64, found: &Payload) -> Option<u64> {
    let (count, size) = call.sends(flow);
    let is = |number: &u64| {
        found.codec == Codec::Raw && matches(seed, call.id, way(call, flow, *number), size, &found.data)
    };
    Some(expected).filter(|expected| *expected < count && is(expected)).or_else(|| (0..count).find(is))
}

/// An action that answers once gives its answer as the only item.
fn way(call: &CallSpec<'_>, flow: Flow, number: u64) -> Way {
    if call.served().has(flow) { Way::of(flow, number) } else { Way::Reply }
}
