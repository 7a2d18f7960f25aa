//! `lacewing top`: what a node does, as a table that is drawn anew every second.

mod fetch;
mod figures;
mod reading;
mod sheet;
mod terminal;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::arguments::TopArguments;
use crate::failure::Failure;
use crate::screen;
use figures::Figures;
use reading::Reading;
use terminal::Terminal;

/// How far back latencies are looked at.
const WINDOW: Duration = Duration::from_secs(60);

/// Everything that a node says at one moment.
struct Moment {
    at: Instant,
    node: Reading,
    neighbours: Reading,
}

impl Moment {
    async fn fetch(addr: SocketAddr) -> Result<Self, Failure> {
        let node = fetch::get(addr, "/metrics").await?;
        let neighbours = fetch::get(addr, "/metrics/neighbours").await?;
        let read = |text: &str| {
            Reading::parse(text)
                .ok_or_else(|| Failure::operation(format!("{addr} serves no metrics of a node")))
        };
        Ok(Self { at: Instant::now(), node: read(&node)?, neighbours: read(&neighbours)? })
    }
}

pub(crate) async fn run(arguments: TopArguments) -> Result<(), Failure> {
    let TopArguments { addr, once, json, interval } = arguments;
    let mut terminal = Terminal::of(once || json);
    let mut moments = VecDeque::from([Moment::fetch(addr).await?]);
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let latest = match Moment::fetch(addr).await {
            Ok(moment) => moment,
            // Somebody who watches would rather see it come back than start again.
            Err(failure) => {
                if terminal.note(&failure.to_string())? {
                    continue;
                }
                return Err(failure);
            }
        };
        let Some(before) = moments.back() else { continue };
        let elapsed = latest.at - before.at;
        // One look is too little for a window: then everything counts since the node began.
        let oldest = if once { None } else { moments.front() };
        let figures = Figures::between(
            (&latest.node, &before.node, oldest.map(|moment| &moment.node)),
            (&latest.neighbours, &before.neighbours, oldest.map(|moment| &moment.neighbours)),
            elapsed,
        );
        let goes_on = if json {
            screen::line_heard(&figures.json().to_string())?
        } else {
            terminal.show(&sheet::lines(&figures, addr, !once))?
        };
        if once || !goes_on {
            return Ok(());
        }
        moments.push_back(latest);
        while moments.len() > 1 && moments.front().is_some_and(|first| first.at.elapsed() > WINDOW) {
            moments.pop_front();
        }
    }
}
