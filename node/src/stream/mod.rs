//! The ends of streams, as applications hold them.
//!
//! `caller` are those of whoever calls, `serving` those that handlers are given.

mod caller;
mod serving;

use std::future::poll_fn;
use std::task::{Context, Poll};

use lacewing_core::Error;
use lacewing_core::engine::Payload;

use crate::driver::StreamHandle;

pub use caller::{Duplex, ItemStream, Upload, UploadSender};
pub use serving::{ItemSender, Uploads};

/// Waits for the next item.
async fn next(handle: &StreamHandle) -> Option<Result<Payload, Error>> {
    poll_fn(|cx: &mut Context<'_>| -> Poll<_> { handle.poll_next(cx) }).await
}
