//! Runs as text: JSON lines, the header first. Reading is strict, writing gives the same bytes each time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use lacewing_core::engine::GroupName;
use lacewing_core::wire::path::{ActionPath, PathPattern};

use super::{
    ActionKind, CallItem, Direction, Flow, Handler, Header, Item, PublishItem, Run, Selection, TokenItem,
};
use crate::payload::KEYED_MIN;
use crate::quantity::Micros;

/// The version of the format that this program reads and writes.
pub const FORMAT_VERSION: u32 = 2;
/// The oldest version that it still reads: whatever was written in it means the same now.
const FORMAT_OLDEST: u32 = 1;
/// The version of the wire protocol that runs are made for.
pub const WIRE_VERSION: u32 = 1;

/// Bytes of the largest argument or answer that a run may ask for, so that a typing error does not eat the memory.
const SIZE_MAX: u64 = 64 * 1024 * 1024;
const NODES_MAX: usize = 1_000;
/// Messages that go one way of a stream.
const ITEMS_MAX: u64 = 100_000;
const NESTING_MAX: usize = 16;
/// Pools that a run may have.
const POOLS_MAX: u32 = 1_000;
/// Areas that a run may have: each of its nodes believes at most 256 issuers.
const AREAS_MAX: u32 = 100;
/// Codes below belong to the protocol.
const APPLICATION_CODE_MIN: u16 = 0x8000;

/// Text that is no run: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {text}")]
pub struct RunError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Run {
    /// Reads a run. `file` is for messages only.
    pub fn parse(file: &str, text: &str) -> Result<Self, RunError> {
        let error = |line: usize, text: String| RunError { file: file.to_owned(), line, text };
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let Some((_, first)) = lines.next() else {
            return Err(error(1, "the file is empty: the first line of a run is its header".to_owned()));
        };
        check_version(first).map_err(|text| error(1, text))?;
        let header: Header = serde_json::from_str(first).map_err(|cause| error(1, one_line(&cause)))?;
        check_header(&header).map_err(|text| error(1, text))?;
        let mut ids = BTreeSet::new();
        let mut items = Vec::new();
        let mut last = Micros::ZERO;
        for (number, line) in lines {
            let item: Item = serde_json::from_str(line).map_err(|cause| error(number, one_line(&cause)))?;
            check_item(&header, &item, &mut ids).map_err(|text| error(number, text))?;
            if item.at() < last {
                let text =
                    format!("time goes back from {last} to {}: items come in the order of time", item.at());
                return Err(error(number, text));
            }
            last = item.at();
            items.push(item);
        }
        Ok(Self { header, items })
    }

    /// Writes the run: the same run gives the same bytes.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string(&self.header).expect("a header has only text keys");
        text.push('\n');
        for item in &self.items {
            let line = serde_json::to_string(item).expect("an item has only text keys");
            writeln!(text, "{line}").expect("writing to a string does not fail");
        }
        text
    }
}

/// Another version may have other fields, so it is looked at before them.
fn check_version(line: &str) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|cause| one_line(&cause))?;
    let versions = [("format", FORMAT_OLDEST, FORMAT_VERSION), ("wire", WIRE_VERSION, WIRE_VERSION)];
    for (field, oldest, latest) in versions {
        let known = if oldest == latest { latest.to_string() } else { format!("{oldest} to {latest}") };
        match value.get(field) {
            Some(found)
                if found.as_u64().is_some_and(|found| (oldest.into()..=latest.into()).contains(&found)) => {}
            Some(found) => return Err(format!("{field} version {found}: this program knows {known}")),
            None => {
                return Err(format!(
                    "the header has no `{field}`: this program knows {field} version {known}"
                ));
            }
        }
    }
    Ok(())
}

/// The message without serde's line and column: a run's line is told by us, and its column counts within it.
fn one_line(cause: &serde_json::Error) -> String {
    cause.to_string().replace('\n', " ").replace(" at line 1 column", " at column")
}

fn check_header(header: &Header) -> Result<(), String> {
    let nodes = header.nodes.len();
    if nodes == 0 || nodes > NODES_MAX {
        return Err(format!("{nodes} nodes: a run has 1 to {NODES_MAX}"));
    }
    for [from, to] in &header.dials {
        check_node(nodes, *from)?;
        check_node(nodes, *to)?;
        if from == to {
            return Err(format!("node {from} is told to dial itself"));
        }
    }
    let net = &header.net;
    if net.latency_min > net.latency_max {
        return Err(format!("latency_min {} is above latency_max {}", net.latency_min, net.latency_max));
    }
    if net.bandwidth == 0 || net.window == 0 {
        return Err("bandwidth and window must be at least 1".to_owned());
    }
    if header.areas.as_ref().is_some_and(|areas| areas.count > AREAS_MAX) {
        return Err(format!("a run has {AREAS_MAX} areas at most"));
    }
    if header.action_limit.is_some_and(|limit| limit.max == 0) {
        return Err("an action runs at least one handler at once".to_owned());
    }
    let phases = header.phases;
    if !(phases.heal <= phases.fresh && phases.fresh <= phases.quiet && phases.quiet <= phases.end) {
        return Err("phases come in the order heal, fresh, quiet, end".to_owned());
    }
    Ok(())
}

fn check_node(nodes: usize, node: usize) -> Result<(), String> {
    if node < nodes {
        Ok(())
    } else {
        Err(format!("there is no node {node}: this run has 0 to {}", nodes - 1))
    }
}

fn check_item(header: &Header, item: &Item, ids: &mut BTreeSet<u64>) -> Result<(), String> {
    let nodes = header.nodes.len();
    let pair = |pair: &[usize; 2]| {
        check_node(nodes, pair[0])?;
        check_node(nodes, pair[1])?;
        if pair[0] == pair[1] { Err(format!("the pair is twice node {}", pair[0])) } else { Ok(()) }
    };
    if item.at() > header.phases.end {
        return Err(format!("{} is after the end of the run at {}", item.at(), header.phases.end));
    }
    if item.fault().is_some() && item.at() > header.phases.heal {
        return Err(format!("a fault at {} is after the heal phase at {}", item.at(), header.phases.heal));
    }
    match item {
        Item::Call(call) => check_call_item(header, call, ids),
        Item::Cancel(cancel) if !ids.contains(&cancel.id) => {
            Err(format!("no call before this line has the id {}", cancel.id))
        }
        Item::Cancel(_) => Ok(()),
        Item::Serve(item) => check_node(nodes, item.node).and_then(|()| check_pool(item.pool)),
        Item::Unserve(item) => check_node(nodes, item.node).and_then(|()| check_pool(item.pool)),
        Item::Capabilities(item) => {
            check_node(nodes, item.node)?;
            let mut set = lacewing_core::capability::CapabilitySet::new();
            item.tags.iter().try_for_each(|tag| match set.insert_tag(tag) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("the tag {tag:?}: {error}")),
            })
        }
        Item::Subscribe(item) => {
            check_node(nodes, item.node)?;
            check_new(ids, item.id)?;
            let pattern: Result<PathPattern, _> = item.pattern.parse();
            pattern.map_err(|error| format!("the pattern {:?}: {error}", item.pattern))?;
            if let Some(group) = &item.group {
                let group: Result<GroupName, _> = group.parse();
                group.map_err(|error| error.to_string())?;
            }
            if item.queue == 0 { Err("a queue has at least one place".to_owned()) } else { Ok(()) }
        }
        Item::Unsubscribe(item) => check_node(nodes, item.node),
        Item::Publish(item) => check_publication(nodes, item, ids),
        Item::Token(item) => check_token(header, item),
        Item::Revoke(item) => check_node(nodes, item.node).and_then(|()| check_area(header, item.area)),
        Item::Partition(partition) => {
            let all = partition.from.iter().chain(&partition.to);
            all.copied().try_for_each(|node| check_node(nodes, node))?;
            match partition.from.iter().find(|node| partition.to.contains(node)) {
                Some(node) if partition.dir == Direction::Both => {
                    Err(format!("node {node} is on both sides of the partition"))
                }
                _ => Ok(()),
            }
        }
        Item::Reset(item) | Item::HalfOpen(item) => pair(&item.pair),
        Item::Stall(item) => pair(&item.pair),
        Item::Crash(item) => check_node(nodes, item.node),
        Item::SlowReader(item) if item.rate == 0 => Err("a slow reader's rate must be at least 1".to_owned()),
        Item::SlowReader(item) => check_node(nodes, item.node),
        Item::Pause(item) => check_node(nodes, item.node),
        Item::Misbehave(item) => check_node(nodes, item.node),
    }
}

fn check_call_item(header: &Header, call: &CallItem, ids: &mut BTreeSet<u64>) -> Result<(), String> {
    let nodes = header.nodes.len();
    check_node(nodes, call.from)?;
    call.to.map_or(Ok(()), |to| check_node(nodes, to))?;
    check_call(ids, call.id, call.size, call.timeout)?;
    if let ActionKind::Pool(pool) = call.action {
        check_pool_call(pool, call.size, &call.handler)?;
    }
    if let ActionKind::Area(area) = call.action {
        check_area(header, area)?;
        if call.to.is_none() || !matches!(call.handler, Handler::Reply { .. }) {
            return Err("a call to an area is for somebody in particular, who answers".to_owned());
        }
        check_keyed(call.size)?;
    }
    call.policy.check()?;
    if call.to.is_some() && call.select != Selection::default() {
        return Err("a call to somebody in particular has nothing to select".to_owned());
    }
    check_stream(call)?;
    check_handler(nodes, &call.handler, ids, 0)
}

fn check_publication(nodes: usize, item: &PublishItem, ids: &mut BTreeSet<u64>) -> Result<(), String> {
    check_node(nodes, item.node)?;
    check_new(ids, item.id)?;
    ActionPath::check(&item.topic).map_err(|error| format!("the topic {:?}: {error}", item.topic))?;
    if (KEYED_MIN..=SIZE_MAX).contains(&item.size) {
        return Ok(());
    }
    Err(format!(
        "size {}: an event has {KEYED_MIN} bytes at least, which name it, and {SIZE_MAX} at most",
        item.size
    ))
}

fn check_new(ids: &mut BTreeSet<u64>, id: u64) -> Result<(), String> {
    if ids.insert(id) { Ok(()) } else { Err(format!("something else has the id {id}")) }
}

/// What goes through a stream is known beforehand, and its handler does that and nothing else.
fn check_stream(call: &CallItem) -> Result<(), String> {
    let Some(stream) = &call.stream else { return Ok(()) };
    if call.action != ActionKind::Served || !call.policy.is_none() {
        return Err("a stream calls an action that is served all the time, without a policy".to_owned());
    }
    if matches!(call.handler, Handler::Call { .. }) {
        return Err("a handler of a stream does not call on".to_owned());
    }
    if stream.idle == Micros::ZERO {
        return Err("an idle time of zero is refused by every node: write at least 1us".to_owned());
    }
    if stream.stop_after == Some(0) || stream.ends_after == Some(0) {
        return Err("stop_after and ends_after are 1 at least".to_owned());
    }
    for flow in Flow::ALL {
        let sends = stream.sends(flow);
        if sends.count.saturating_mul(sends.size) > SIZE_MAX || sends.count > ITEMS_MAX {
            return Err(format!(
                "{} messages of {} bytes: a stream has {ITEMS_MAX} each way and {SIZE_MAX} bytes at most",
                sends.count, sends.size
            ));
        }
    }
    Ok(())
}

fn check_pool(pool: u32) -> Result<(), String> {
    if pool < POOLS_MAX {
        Ok(())
    } else {
        Err(format!("pool {pool}: a run has pools 0 to {}", POOLS_MAX - 1))
    }
}

fn check_keyed(size: u64) -> Result<(), String> {
    if size >= KEYED_MIN {
        return Ok(());
    }
    Err(format!("size {size}: a call to a pool or an area has {KEYED_MIN} bytes at least, which name it"))
}

fn check_area(header: &Header, area: u32) -> Result<(), String> {
    match &header.areas {
        Some(areas) if area < areas.count => Ok(()),
        Some(areas) => Err(format!("area {area}: this run has {}", areas.count)),
        None => Err(format!("area {area}: the header of this run has no `areas`")),
    }
}

fn check_token(header: &Header, item: &TokenItem) -> Result<(), String> {
    let nodes = header.nodes.len();
    check_node(nodes, item.node)?;
    item.via.map_or(Ok(()), |via| check_node(nodes, via))?;
    check_area(header, item.area)?;
    if item.rights.is_empty() {
        return Err("a token without rights is none".to_owned());
    }
    if item.from.is_some() && item.until.is_some() {
        return Err(
            "a token either begins or ends in a run, and lasts longer than what clocks may differ".to_owned()
        );
    }
    Ok(())
}

/// Providers tell the operation from the payload, and nobody knows beforehand on whose behalf they would call on.
fn check_pool_call(pool: u32, size: u64, handler: &Handler) -> Result<(), String> {
    check_pool(pool)?;
    check_keyed(size)?;
    match handler {
        Handler::Call { .. } => Err("a handler of a pool does not call on".to_owned()),
        Handler::Reply { .. } | Handler::Fail { .. } | Handler::Never => Ok(()),
    }
}

fn check_call(ids: &mut BTreeSet<u64>, id: u64, size: u64, timeout: Micros) -> Result<(), String> {
    if !ids.insert(id) {
        return Err(format!("another call has the id {id}"));
    }
    if size > SIZE_MAX {
        return Err(format!("size {size} is above {SIZE_MAX}"));
    }
    if timeout == Micros::ZERO {
        return Err("a timeout of zero is refused by every node: write at least 1us".to_owned());
    }
    Ok(())
}

fn check_handler(
    nodes: usize,
    handler: &Handler,
    ids: &mut BTreeSet<u64>,
    depth: usize,
) -> Result<(), String> {
    match handler {
        Handler::Reply { size, .. } if *size > SIZE_MAX => Err(format!("size {size} is above {SIZE_MAX}")),
        Handler::Fail { code, .. } if *code < APPLICATION_CODE_MIN => {
            Err(format!("code {code} is below {APPLICATION_CODE_MIN}, where the codes of applications begin"))
        }
        Handler::Reply { .. } | Handler::Fail { .. } | Handler::Never => Ok(()),
        Handler::Call { .. } if depth >= NESTING_MAX => {
            Err(format!("calls nested deeper than {NESTING_MAX}"))
        }
        Handler::Call { id, to, size, timeout, handler } => {
            check_node(nodes, *to)?;
            check_call(ids, *id, *size, *timeout)?;
            check_handler(nodes, handler, ids, depth + 1)
        }
    }
}
