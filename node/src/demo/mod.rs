//! Actions to try things out with. The `lacewing` command serves them on request.

mod echo_sum;

pub use echo_sum::echo_sum;
