//! Rounds: every contender once, then every contender again.

use std::time::Duration;

use crate::clock::cpu_time;
use crate::contender::Contender;
use crate::failure::Failure;
use crate::options::Settings;
use crate::server::Server;
use crate::statistics::percentile;

/// What is told of a contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    P50,
    P99,
    CallsPerSecond,
    ClientCpu,
    ServerCpu,
}

impl Metric {
    pub(crate) const ALL: [Self; 5] =
        [Self::P50, Self::P99, Self::CallsPerSecond, Self::ClientCpu, Self::ServerCpu];

    /// The name in JSON, its unit last.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P50 => "one_in_flight_p50_us",
            Self::P99 => "one_in_flight_p99_us",
            Self::CallsPerSecond => "many_in_flight_calls_per_s",
            Self::ClientCpu => "many_in_flight_client_cpu_s_per_million",
            Self::ServerCpu => "many_in_flight_server_cpu_s_per_million",
        }
    }

    /// The name in the table.
    pub(crate) fn title(self, in_flight: usize) -> String {
        match self {
            Self::P50 => "1 in flight: p50, us".to_owned(),
            Self::P99 => "1 in flight: p99, us".to_owned(),
            Self::CallsPerSecond => format!("{in_flight} in flight: calls/s"),
            Self::ClientCpu => format!("{in_flight} in flight: client CPU s per million"),
            Self::ServerCpu => format!("{in_flight} in flight: server CPU s per million"),
        }
    }
}

/// What one contender did in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample([f64; Metric::ALL.len()]);

impl Sample {
    pub(crate) fn of(&self, metric: Metric) -> f64 {
        self.0[metric as usize]
    }
}

/// One round: a sample for each contender, in their order.
pub(crate) type Round = [Sample; Contender::ALL.len()];

/// Starts the servers, measures, and ends them.
pub(crate) fn run(settings: &Settings) -> Result<Vec<Round>, Failure> {
    let mut servers = Vec::with_capacity(Contender::ALL.len());
    for contender in Contender::ALL {
        servers.push(Server::start(contender, settings.runtime)?);
    }
    let mut rounds = Vec::with_capacity(settings.rounds);
    for number in 1..=settings.rounds {
        eprintln!("round {number} of {}", settings.rounds);
        let mut samples = Vec::with_capacity(servers.len());
        for (contender, server) in Contender::ALL.into_iter().zip(&mut servers) {
            samples.push(sample(contender, server, settings)?);
        }
        rounds.push(samples.try_into().expect("one for each contender"));
    }
    Ok(rounds)
}

/// Both phases of one contender, over a connection of their own.
fn sample(contender: Contender, server: &mut Server, settings: &Settings) -> Result<Sample, Failure> {
    let failed = |failure| Failure::new(format!("{}: {failure}", contender.title()));
    let mut client = contender.connect(server.addr, settings).map_err(failed)?;
    // Caches, branch predictors and congestion windows are warm when the clock starts.
    client.many_in_flight(settings.in_flight, settings.phase / 10).map_err(failed)?;

    let mut taken = client.one_in_flight(settings.phase).map_err(failed)?;
    if taken.is_empty() {
        return Err(failed(Failure::new("the phase ended before its first echo; give it more --seconds")));
    }
    taken.sort_unstable();

    let (client_before, server_before) = (cpu_time(), server.cpu_time()?);
    let burst = client.many_in_flight(settings.in_flight, settings.phase).map_err(failed)?;
    let (client_after, server_after) = (cpu_time(), server.cpu_time()?);

    let spent = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64();
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let millions = burst.calls as f64 / 1e6;
    Ok(Sample([
        micros(percentile(&taken, 50)),
        micros(percentile(&taken, 99)),
        burst.calls as f64 / burst.elapsed.as_secs_f64(),
        spent(client_before, client_after) / millions,
        spent(server_before, server_after) / millions,
    ]))
}
