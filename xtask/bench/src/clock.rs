//! The two clocks of a measurement: time that passed, and time that this process spent on a processor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[expect(clippy::disallowed_types, reason = "measuring time is what this program is for")]
type Moment = std::time::Instant;

/// When something began.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Moment);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "measuring time is what this program is for")]
    pub(crate) fn start() -> Self {
        Self(Moment::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// What all threads of this process have spent so far, in user code and in the system.
pub(crate) fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.try_into().unwrap_or(0), spent.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::cpu_time;

    #[test]
    fn work_takes_processor_time() {
        let before = cpu_time();
        let mut sum = 0_u64;
        while cpu_time() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time() > before);
    }
}
