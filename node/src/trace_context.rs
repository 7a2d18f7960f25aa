//! Which trace a call is part of: the header `traceparent` of W3C Trace Context, version 00.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
mod tests;

/// A step of a trace: the trace's number, the step's, and whether somebody records it.
///
/// It travels in the header [`HEADER`](Self::HEADER), written as
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header) says, so that other systems understand it. Only
/// version 00 is read, and only as it is to be written; a header that is not well-formed is as good as none.
///
/// ```
/// use lacewing::TraceContext;
///
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: TraceContext = text.parse()?;
/// assert_eq!(trace.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(trace.sampled());
/// assert_eq!(trace.to_string(), text);
///
/// let child = trace.child();
/// assert_eq!(child.trace_id(), trace.trace_id());
/// assert_ne!(child.span_id(), trace.span_id());
/// # Ok::<(), lacewing::TraceContextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

/// The text is no `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a traceparent is \"00-\", 32 digits, \"-\", 16 digits, \"-\", 2 digits: 0-9 and a-f, neither number zero"
)]
pub struct TraceContextError;

impl TraceContext {
    /// The name of the header.
    pub const HEADER: &'static str = "traceparent";

    /// The first step of a new trace.
    pub fn root(sampled: bool) -> Self {
        Self { trace_id: fresh(), span_id: fresh(), sampled }
    }

    /// A step of a trace whose numbers are known. `None`: a number is zero.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], sampled: bool) -> Option<Self> {
        let known = trace_id != [0; 16] && span_id != [0; 8];
        known.then_some(Self { trace_id, span_id, sampled })
    }

    /// A new step of the same trace, beneath this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: fresh(), ..*self }
    }

    /// The trace's number.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The step's number.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether whoever began the trace records it.
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// The trace's number as 32 digits.
    pub fn trace_id_hex(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// The step's number as 16 digits.
    pub fn span_id_hex(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span_id))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, span_id) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.span_id));
        write!(f, "00-{trace_id:032x}-{span_id:016x}-{:02x}", u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let mut parts = text.split('-');
        let mut part = |len: usize| parts.next().filter(|part| part.len() == len).ok_or(TraceContextError);
        let (version, trace_id, span_id, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        if version != "00" || parts.next().is_some() {
            return Err(TraceContextError);
        }
        let (trace_id, span_id) = (digits(trace_id)?, digits(span_id)?);
        // Flags that this version does not know are not looked at, and not passed on.
        let [flags] = digits(flags)?;
        Self::new(trace_id, span_id, flags & 1 == 1).ok_or(TraceContextError)
    }
}

/// Two lower-case digits for each byte.
fn digits<const N: usize>(text: &str) -> Result<[u8; N], TraceContextError> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(TraceContextError),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Ok(bytes)
}

/// A number that nobody else has.
fn fresh<const N: usize>() -> [u8; N] {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() || bytes == [0; N] {
        // A trace is no reason to fail: where the system gives no randomness, numbers count up.
        let count = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).to_be_bytes();
        bytes.iter_mut().rev().zip(count.iter().rev()).for_each(|(byte, count)| *byte = *count);
    }
    bytes
}
