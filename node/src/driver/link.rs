//! The task of one link: reads, writes, and in the end closes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use lacewing_core::engine::{Input, LinkId};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Driver;
use super::outbox::{Orders, Outbox};
use crate::transport::ByteStream;

/// The read buffer grows from the first to the second while reads fill it, so idle links stay small and busy ones need few
/// system calls.
const READ_BYTES_MIN: usize = 8 * 1024;
const READ_BYTES_MAX: usize = 256 * 1024;
/// Chunks handed to one vectored write.
const WRITE_SLICES_MAX: usize = 64;
/// Rounds of reading and writing before other tasks get their turn.
const ROUNDS_MAX: usize = 32;
/// How long a closing link may take to write its last bytes and to hear that the peer has read them.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// Links that may wait for the end of the peer's stream at the same time; others are cut off at once.
const LINGERING_MAX: usize = 64;

pub(super) struct LinkTask {
    driver: Arc<Driver>,
    link: LinkId,
    outbox: Arc<Outbox>,
    stream: Box<dyn ByteStream>,
    writing: VecDeque<Bytes>,
    reading: BytesMut,
    read_bytes: usize,
    /// Bytes that were written, but not given back to the engine as credit.
    uncredited_bytes: usize,
}

/// How the exchange of bytes ended.
enum End {
    /// The stream ended or failed.
    Lost,
    /// The engine has closed the link.
    Closed,
}

impl LinkTask {
    pub(super) fn new(
        driver: Arc<Driver>,
        link: LinkId,
        outbox: Arc<Outbox>,
        stream: Box<dyn ByteStream>,
    ) -> Self {
        Self {
            driver,
            link,
            outbox,
            stream,
            writing: VecDeque::new(),
            reading: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            uncredited_bytes: 0,
        }
    }

    pub(super) async fn run(mut self) {
        match poll_fn(|cx| self.poll_exchange(cx)).await {
            End::Lost => self.lost(),
            End::Closed => {
                // Where the peer does not take the bytes in time, it does without them.
                let _ = tokio::time::timeout(CLOSE_WITHIN, self.close()).await;
            }
        }
    }

    /// Reads and writes until neither gets any further.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        for _ in 0..ROUNDS_MAX {
            let mut orders = self.outbox.collect(&mut self.writing);
            if orders.errand {
                self.driver.with_inline(Some(cx), |_, _| ());
                orders = self.outbox.collect(&mut self.writing);
            }
            if orders.closing {
                return Poll::Ready(End::Closed);
            }
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                tracing::debug!(link = self.link.0, %error, "cannot write");
                return Poll::Ready(End::Lost);
            }
            let progress = match self.poll_read(cx, orders) {
                Poll::Ready(Ok(0)) => return Poll::Ready(End::Lost),
                Poll::Ready(Ok(_)) => {
                    self.hand_over(cx);
                    true
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(link = self.link.0, %error, "cannot read");
                    return Poll::Ready(End::Lost);
                }
                Poll::Pending => false,
            };
            if !progress {
                self.give_credit();
                if self.outbox.park(cx.waker(), orders) {
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes as much as the stream takes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wrote = false;
        while !self.writing.is_empty() {
            let written = ready!(write_some(&mut *self.stream, &self.writing, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.uncredited_bytes += written;
            advance(&mut self.writing, written);
            wrote = true;
        }
        if wrote { Pin::new(&mut *self.stream).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, orders: Orders) -> Poll<io::Result<usize>> {
        if !orders.reading {
            return Poll::Pending;
        }
        if self.reading.capacity() < self.read_bytes / 4 {
            self.reading.reserve(self.read_bytes);
        }
        let room = self.reading.capacity();
        let count = ready!(pin!(self.stream.read_buf(&mut self.reading)).poll(cx))?;
        if count == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(count))
    }

    /// Gives the engine what was read, with the credit for what was written, and lets handlers make their first step.
    fn hand_over(&mut self, cx: &mut Context<'_>) {
        let (link, data) = (self.link, self.reading.split());
        let credit = std::mem::take(&mut self.uncredited_bytes);
        self.driver.with_inline(Some(cx), |core, now| {
            // The engine has forgotten links that it has closed; their last bytes are of no interest.
            if !core.links.contains_key(&link) {
                return;
            }
            if credit > 0 {
                core.input(now, Input::Credit { link, bytes: credit });
            }
            core.input(now, Input::Received { link, data });
            core.pause_if_full(link);
        });
    }

    fn give_credit(&mut self) {
        let (link, bytes) = (self.link, std::mem::take(&mut self.uncredited_bytes));
        if bytes > 0 {
            self.driver.with(|core, now| {
                if core.links.contains_key(&link) {
                    core.input(now, Input::Credit { link, bytes });
                }
            });
        }
    }

    fn lost(&mut self) {
        let link = self.link;
        self.driver.with(|core, now| {
            if core.links.remove(&link).is_some() {
                core.paused.remove(&link);
                core.input(now, Input::LinkDown { link });
            }
        });
    }

    /// Writes what is left, then says that nothing follows, then waits for the peer to do the same.
    ///
    /// The last step is what brings a goodbye through: closing a socket with unread bytes in it resets the connection, and the peer
    /// would lose what it has not read yet.
    async fn close(&mut self) -> io::Result<()> {
        self.outbox.collect(&mut self.writing);
        for mut chunk in self.writing.drain(..) {
            self.stream.write_all_buf(&mut chunk).await?;
        }
        self.stream.shutdown().await?;
        let Some(_place) = Lingering::enter(&self.driver.lingering) else { return Ok(()) };
        let mut discarded = [0; 1024];
        while self.stream.read(&mut discarded).await? > 0 {}
        Ok(())
    }
}

/// One write: vectored, where the stream can.
fn write_some(
    stream: &mut dyn ByteStream,
    chunks: &VecDeque<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut stream = Pin::new(stream);
    match chunks.front() {
        Some(only) if chunks.len() == 1 || !stream.is_write_vectored() => {
            stream.as_mut().poll_write(cx, only)
        }
        _ => {
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES_MAX];
            let count = chunks.len().min(WRITE_SLICES_MAX);
            for (slice, chunk) in slices.iter_mut().zip(chunks) {
                *slice = IoSlice::new(chunk);
            }
            stream.as_mut().poll_write_vectored(cx, &slices[..count])
        }
    }
}

/// Forgets the first `count` bytes.
fn advance(chunks: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(front) = chunks.front_mut() {
        if count < front.len() {
            front.advance(count);
            return;
        }
        count -= front.len();
        chunks.pop_front();
    }
    debug_assert_eq!(count, 0, "a stream writes no more than it was given");
}

/// One of the few places for links that wait for the end of the peer's stream.
struct Lingering<'a>(&'a AtomicUsize);

impl<'a> Lingering<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        // Where there is no place left, dropping `place` takes back the step.
        (count.fetch_add(1, Ordering::Relaxed) < LINGERING_MAX).then_some(place)
    }
}

impl Drop for Lingering<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
