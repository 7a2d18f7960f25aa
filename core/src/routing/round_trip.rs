//! What a link costs: its round trip, smoothed, and slow to change its mind.

use core::time::Duration;

use crate::config::RouteMetric;

/// What a link costs besides its round trip, in microseconds: between two equally quick ways the one with fewer links wins.
pub(super) const HOP_COST: u32 = 1_000;
/// What is assumed before the first answer, in microseconds. It is high on purpose: a cost that falls keeps all ways
/// feasible, one that rises may not.
const ASSUMED_US: u32 = 250_000;
/// Longest round trip that is told apart, in microseconds.
const ROUND_TRIP_US_MAX: u32 = 60_000_000;

/// The round trip of one link.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrip {
    /// The smoothed measurements, in microseconds.
    smoothed: Option<u32>,
    /// The one that the cost is made of: it follows `smoothed` only by leaps.
    charged: Option<u32>,
}

impl RoundTrip {
    /// Takes a measurement. Whether the cost changes with it.
    pub(super) fn measured(&mut self, round_trip: Duration) -> bool {
        let sample = u32::try_from(round_trip.as_micros()).unwrap_or(u32::MAX).min(ROUND_TRIP_US_MAX);
        // An exponential average, as in RFC 6298, section 2: an eighth of the news each time.
        let smoothed = self.smoothed.map_or(sample, |old| {
            let (old, sample) = (u64::from(old), u64::from(sample));
            ((old * 7 + sample) / 8) as u32
        });
        self.smoothed = Some(smoothed);
        let leaps =
            self.charged.is_none_or(|charged| smoothed.abs_diff(charged) > (charged / 4).max(HOP_COST));
        if leaps {
            self.charged = Some(smoothed);
        }
        leaps
    }

    /// The smoothed round trip in microseconds, once there is one.
    pub(super) fn micros(&self) -> Option<u32> {
        self.smoothed
    }

    /// What a way is charged for crossing the link; 1 at least, about a minute at most.
    pub(super) fn cost(&self, metric: RouteMetric) -> u32 {
        match metric {
            RouteMetric::Hops => 1,
            RouteMetric::RoundTrip => HOP_COST + self.charged.unwrap_or(ASSUMED_US),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{HOP_COST, RoundTrip};
    use crate::config::RouteMetric;

    #[test]
    fn noise_does_not_change_the_cost_and_a_lasting_change_does() {
        let mut round_trip = RoundTrip::default();
        assert!(round_trip.measured(Duration::from_millis(20)));
        let cost = round_trip.cost(RouteMetric::RoundTrip);
        assert_eq!(cost, HOP_COST + 20_000);
        for ms in [18, 23, 21, 19, 30, 20, 15, 22] {
            assert!(!round_trip.measured(Duration::from_millis(ms)));
        }
        assert_eq!(round_trip.cost(RouteMetric::RoundTrip), cost);
        let changes = (0..20).filter(|_| round_trip.measured(Duration::from_millis(80))).count();
        assert!((2..=6).contains(&changes), "{changes}");
        assert!(round_trip.cost(RouteMetric::RoundTrip) > HOP_COST + 60_000);
    }

    #[test]
    fn the_first_measurement_makes_a_link_cheaper_than_it_was_assumed_to_be() {
        let mut round_trip = RoundTrip::default();
        let assumed = round_trip.cost(RouteMetric::RoundTrip);
        round_trip.measured(Duration::from_millis(100));
        assert!(round_trip.cost(RouteMetric::RoundTrip) < assumed);
    }

    #[test]
    fn hops_cost_one_whatever_they_take() {
        let mut round_trip = RoundTrip::default();
        round_trip.measured(Duration::from_secs(1_000_000));
        assert_eq!(round_trip.cost(RouteMetric::Hops), 1);
        assert_eq!(round_trip.cost(RouteMetric::RoundTrip), HOP_COST + 60_000_000);
    }
}
