//! What a call may ask for besides being made once: to be repeated, doubled, held back, or put to everybody.

use core::time::Duration;

use crate::code::{Code, Error};

/// Most attempts of one call.
pub const ATTEMPTS_MAX: u32 = 10;

/// What is done for a call besides making it once. The default does nothing.
///
/// One call stays one operation with one outcome, whatever is done for it: the timeout covers all attempts, and a cancel ends them
/// all.
///
/// ```
/// use lacewing_core::delivery::{CallPolicy, Retry};
///
/// let policy = CallPolicy { retry: Some(Retry::default()), ..CallPolicy::default() };
/// assert!(policy.check().is_ok() && !policy.idempotent);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPolicy {
    /// The application says that executing it twice does no more than executing it once.
    pub idempotent: bool,
    /// Tries again after a failure that may pass.
    pub retry: Option<Retry>,
    /// Asks somebody else as well when an answer takes long. Only for what is idempotent.
    pub hedge: Option<Hedge>,
    /// Stops calling a node whose answers to this action fail, until one attempt succeeds again.
    pub breaker: bool,
    /// Attempts that may be under way to one node and action at once, of all calls with a policy; more are `Backpressure`.
    pub bulkhead: Option<usize>,
    /// Asks every provider that is known, and collects what they answer within this time.
    pub gather: Option<Duration>,
}

/// Trying again: only where the failure may pass, and the work was certainly not executed or the call is idempotent.
///
/// ```
/// use lacewing_core::delivery::Retry;
///
/// assert_eq!(Retry::default().attempts, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, from 1 to [`ATTEMPTS_MAX`].
    pub attempts: u32,
    /// The pause before the second attempt is a random part of this; it doubles with each further one.
    pub base: Duration,
    /// The longest pause, unless the other side asks for a longer one.
    pub max: Duration,
    /// How long a single attempt may take; `None` for as long as the call has left. An idempotent call is tried again after it.
    pub attempt_timeout: Option<Duration>,
}

impl Default for Retry {
    fn default() -> Self {
        let (base, max) = (Duration::from_millis(50), Duration::from_secs(1));
        Self { attempts: 3, base, max, attempt_timeout: None }
    }
}

/// Asking somebody else as well.
///
/// ```
/// use lacewing_core::delivery::Hedge;
/// use core::time::Duration;
///
/// let hedge = Hedge { delay: Duration::from_millis(20), count: 1 };
/// assert_eq!(hedge.count, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How long the answer may take until somebody else is asked, and again until the next one.
    pub delay: Duration,
    /// How many are asked besides the first, at least 1 and below [`ATTEMPTS_MAX`].
    pub count: u32,
}

impl CallPolicy {
    /// Whether it makes sense; if not, the `InvalidArgument` that the call ends in.
    pub fn check(&self) -> Result<(), Error> {
        let refused = |text| Err(Error::new(Code::InvalidArgument, text));
        if let Some(Retry { attempts, base, max, attempt_timeout }) = self.retry {
            if !(1..=ATTEMPTS_MAX).contains(&attempts) {
                return refused("a call has from 1 to 10 attempts");
            }
            if base.is_zero() || base > max || attempt_timeout.is_some_and(|time| time.is_zero()) {
                return refused(
                    "pauses and timeouts of attempts are more than zero, and the first is the shortest",
                );
            }
        }
        if let Some(Hedge { count, .. }) = self.hedge {
            if !self.idempotent {
                return refused("only an idempotent call may be put to several nodes to have one answer");
            }
            if !(1..ATTEMPTS_MAX).contains(&count) {
                return refused("a call is hedged by 1 to 9 others");
            }
        }
        if self.bulkhead == Some(0) {
            return refused("a bulkhead lets at least one call through");
        }
        match self.gather {
            Some(_) if self.retry.is_some() || self.hedge.is_some() => {
                refused("a call that asks everybody is neither tried again nor hedged")
            }
            Some(time) if time.is_zero() => refused("the time to collect answers must be more than zero"),
            _ => Ok(()),
        }
    }
}
