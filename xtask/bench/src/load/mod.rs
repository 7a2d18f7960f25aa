//! Loads: a stream of a gigabyte between neighbours and through a relay, ten thousand calls on one link, a thousand links.
//!
//! Every node that is measured has a process of its own, a station. Each round has fresh ones, so that the memory of one does
//! not hide what the next one takes.

mod content;
mod memory;
mod metric;
mod order;
mod station;

use std::net::SocketAddr;

use lacewing::NodeId;
use serde::Serialize;

pub(crate) use metric::{Metric, verdict};
pub(crate) use station::serve;

use crate::contender::Threads;
use crate::failure::{Failure, While as _};
use crate::process::Process;
use crate::statistics::Spread;
use memory::Memory;
use order::Order;

const MIB: f64 = 1024.0 * 1024.0;

/// How much of everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Amounts {
    pub(crate) stream_bytes: u64,
    pub(crate) calls: usize,
    pub(crate) links: usize,
}

impl Amounts {
    /// What a node is to bear.
    pub(crate) const FULL: Self = Self { stream_bytes: 1 << 30, calls: 10_000, links: 1_000 };
    /// Enough to see that all of it works.
    pub(crate) const QUICK: Self = Self { stream_bytes: 32 << 20, calls: 1_000, links: 20 };
}

/// A value of each metric that could be measured.
type Sample = Vec<(Metric, f64)>;

/// What was measured, a line for each metric; memory is absent where the system does not tell it.
pub(crate) type Rows = Vec<(Metric, Spread)>;

/// Measures everything, streams and calls so many times. The many links once: whoever they lead to tells each about all others,
/// and that takes longer than all the rest.
pub(crate) fn run(amounts: &Amounts, rounds: usize, threads: Threads) -> Result<Rows, Failure> {
    let mut samples = Vec::new();
    for number in 1..=rounds {
        eprintln!("load, round {number} of {rounds}");
        samples.push(streams(amounts, threads)?);
        samples.push(calls(amounts, threads)?);
    }
    eprintln!("load, many links");
    samples.push(links(amounts, threads)?);
    let values = |metric: Metric| {
        let of =
            move |sample: &Sample| sample.iter().find(|(name, _)| *name == metric).map(|(_, value)| *value);
        samples.iter().filter_map(of).collect::<Vec<f64>>()
    };
    let row = |metric| {
        Some(values(metric)).filter(|values| !values.is_empty()).map(|values| (metric, Spread::of(values)))
    };
    Ok(Metric::ALL.into_iter().filter_map(row).collect())
}

/// One stream over a raw socket, one to a neighbour, one through a relay.
fn streams(amounts: &Amounts, threads: Threads) -> Result<Sample, Failure> {
    let bytes = amounts.stream_bytes;
    let speed = |seconds: f64| bytes as f64 / MIB / seconds;
    let mut source = Station::start(&[], threads)?;
    let mut neighbour = Station::start(&[source.addr], threads)?;
    let raw = neighbour.time(Order::FetchRaw { from: source.raw, bytes })?;
    neighbour.time(Order::Find(source.node))?;
    let (direct, taken) = watched(&mut [&mut neighbour, &mut source], |stations| {
        let from = stations[1].node;
        stations[0].time(Order::Fetch { from, bytes })
    })?;
    drop(neighbour);

    let mut relay = Station::start(&[source.addr], threads)?;
    let mut distant = Station::start(&[relay.addr], threads)?;
    distant.time(Order::Find(source.node))?;
    // What the source took before, it has still.
    let (relayed, taken_on_the_way) = watched(&mut [&mut distant, &mut relay, &mut source], |stations| {
        let from = stations[2].node;
        stations[0].time(Order::Fetch { from, bytes })
    })?;
    let mut sample = vec![
        (Metric::RawStream, speed(raw)),
        (Metric::Stream, speed(direct)),
        (Metric::StreamToRaw, raw / direct),
        (Metric::RelayedStream, speed(relayed)),
        (Metric::RelayedToRaw, raw / relayed),
    ];
    sample.extend(taken.map(|bytes| (Metric::StreamMemory, bytes / MIB)));
    sample.extend(taken_on_the_way.map(|bytes| (Metric::RelayedMemory, bytes / MIB)));
    Ok(sample)
}

/// All calls are open at the same moment: none is answered before the last one has come.
fn calls(amounts: &Amounts, threads: Threads) -> Result<Sample, Failure> {
    let mut server = Station::start(&[], threads)?;
    let mut client = Station::start(&[server.addr], threads)?;
    client.time(Order::Find(server.node))?;
    let (spent, taken) = watched(&mut [&mut client, &mut server], |stations| {
        let at = stations[1].node;
        stations[0].time(Order::Hold { at, calls: amounts.calls })
    })?;
    let mut sample = vec![(Metric::OpenCalls, amounts.calls as f64 / spent)];
    sample.extend(taken.map(|bytes| (Metric::OpenCallMemory, bytes / 1024.0 / amounts.calls as f64)));
    Ok(sample)
}

/// One node with many neighbours, each of which calls it.
fn links(amounts: &Amounts, threads: Threads) -> Result<Sample, Failure> {
    let mut hub = Station::start(&[], threads)?;
    let mut crowd = Station::start(&[hub.addr], threads)?;
    crowd.time(Order::Find(hub.node))?;
    let (spent, taken) = watched(&mut [&mut hub], |hub| {
        let linked = crowd.time(Order::Link { to: hub[0].addr, nodes: amounts.links })?;
        Ok([linked, crowd.time(Order::CallFromEach { at: hub[0].node })?])
    })?;
    let neighbours: usize = hub.ask(Order::Neighbours)?.parse().when("counting neighbours")?;
    if neighbours != amounts.links + 1 {
        return Err(Failure::new(format!(
            "{neighbours} neighbours, where {} have linked",
            amounts.links + 1
        )));
    }
    let links = amounts.links as f64;
    let mut sample = vec![(Metric::Links, links / spent[0]), (Metric::CallsOfLinks, links / spent[1])];
    sample.extend(taken.map(|bytes| (Metric::LinkMemory, bytes / 1024.0 / links)));
    Ok(sample)
}

/// Does something, and tells the most bytes that one of these stations had more than before.
fn watched<T>(
    stations: &mut [&mut Station],
    work: impl FnOnce(&mut [&mut Station]) -> Result<T, Failure>,
) -> Result<(T, Option<f64>), Failure> {
    let look = |stations: &mut [&mut Station]| {
        stations.iter_mut().map(|station| station.memory()).collect::<Result<Vec<_>, _>>()
    };
    let before = look(stations)?;
    let done = work(stations)?;
    let after = look(stations)?;
    let more = before.into_iter().zip(after).map(|(before, after)| {
        // A peak from before the work would count as well: it errs on the safe side.
        Some(after?.peak.saturating_sub(before?.resident) as f64)
    });
    let most = more.collect::<Option<Vec<f64>>>().map(|more| more.into_iter().fold(0.0, f64::max));
    Ok((done, most))
}

/// A station, seen from here.
struct Station {
    addr: SocketAddr,
    raw: SocketAddr,
    node: NodeId,
    process: Process,
}

impl Station {
    fn start(peers: &[SocketAddr], threads: Threads) -> Result<Self, Failure> {
        let peers: Vec<String> = peers.iter().map(SocketAddr::to_string).collect();
        let mut args = vec!["station"];
        args.extend(peers.iter().map(String::as_str));
        let mut process = Process::start(&args, threads)?;
        let line = process.answer()?;
        let strange = || Failure::new(format!("a station began with `{line}`"));
        let [addr, raw, node] = *line.split(' ').collect::<Vec<_>>() else { return Err(strange()) };
        let (addr, raw) = (addr.parse().map_err(|_| strange())?, raw.parse().map_err(|_| strange())?);
        Ok(Self { addr, raw, node: node.parse().map_err(|_| strange())?, process })
    }

    fn ask(&mut self, order: Order) -> Result<String, Failure> {
        self.process.ask(&order.to_string())
    }

    /// Seconds that it took.
    fn time(&mut self, order: Order) -> Result<f64, Failure> {
        let nanos: u64 = self.ask(order)?.parse().when("reading how long it took")?;
        Ok(nanos as f64 / 1e9)
    }

    /// `None` where the system does not tell it.
    fn memory(&mut self) -> Result<Option<Memory>, Failure> {
        let answer = self.ask(Order::Memory)?;
        let Some((resident, peak)) = answer.split_once(' ') else { return Ok(None) };
        let read = |text: &str| text.parse().when("reading how much memory there is");
        Ok(Some(Memory { resident: read(resident)?, peak: read(peak)? }))
    }
}
