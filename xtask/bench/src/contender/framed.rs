//! The floor of an asynchronous protocol: tokio sockets and a big-endian `u32` length in front of each message.
//!
//! No encryption, no identity, no deadline, no dispatch. Like the call it writes all that is ready with one write.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::{Burst, Client, PATIENCE, Threads, Window, drive, latencies};
use crate::clock::Stopwatch;
use crate::failure::{Failure, While as _};
use crate::options::Settings;

const PREFIX_LEN: usize = 4;
const BUFFER_BYTES: usize = 64 * 1024;

pub(crate) fn serve(threads: Threads, ready: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
    threads.runtime()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.when("listening")?;
        ready(listener.local_addr().when("listening")?);
        loop {
            let (stream, _) = listener.accept().await.when("accepting")?;
            // A client that goes away ends its connection and nothing else.
            tokio::spawn(async move { Connection::new(stream)?.echo().await });
        }
    })
}

/// A stream of messages.
struct Connection {
    stream: TcpStream,
    read: BytesMut,
    write: BytesMut,
}

impl Connection {
    fn new(stream: TcpStream) -> Result<Self, Failure> {
        stream.set_nodelay(true).when("connecting")?;
        let buffer = || BytesMut::with_capacity(BUFFER_BYTES);
        Ok(Self { stream, read: buffer(), write: buffer() })
    }

    async fn echo(mut self) -> Result<(), Failure> {
        loop {
            let Self { read, write, .. } = &mut self;
            while let Some(message) = next_message(read) {
                put_message(write, &message);
            }
            self.flush().await?;
            self.receive().await?;
        }
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        self.read.reserve(BUFFER_BYTES);
        let count = self.stream.read_buf(&mut self.read).await.when("reading")?;
        if count == 0 { Err(Failure::new("the framed echo closed its connection")) } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.stream.write_all(&self.write).await.when("writing")?;
        self.write.clear();
        Ok(())
    }

    async fn one(&mut self, payload: &[u8]) -> Result<BytesMut, Failure> {
        put_message(&mut self.write, payload);
        self.flush().await?;
        loop {
            if let Some(message) = next_message(&mut self.read) {
                return Ok(message);
            }
            self.receive().await?;
        }
    }

    async fn one_after_the_other(&mut self, payload: &[u8], span: Duration) -> Result<Vec<u64>, Failure> {
        let (mut taken, phase) = (latencies(span), Stopwatch::start());
        while phase.elapsed() < span {
            let watch = Stopwatch::start();
            self.one(payload).await?;
            taken.push(watch.elapsed().as_nanos() as u64);
        }
        Ok(taken)
    }

    async fn many(&mut self, payload: &[u8], in_flight: usize, span: Duration) -> Result<Burst, Failure> {
        let mut window = Window::new(in_flight, span);
        let mut again = in_flight;
        while window.is_open() {
            for _ in 0..again {
                put_message(&mut self.write, payload);
            }
            self.flush().await?;
            self.receive().await?;
            let mut echoes = 0;
            while next_message(&mut self.read).is_some() {
                echoes += 1;
            }
            again = window.came(echoes);
        }
        Ok(window.burst())
    }
}

fn put_message(out: &mut BytesMut, payload: &[u8]) {
    out.put_u32(payload.len() as u32);
    out.put_slice(payload);
}

/// The next whole message. Its length needs no check here: both ends are ours.
fn next_message(read: &mut BytesMut) -> Option<BytesMut> {
    let len = u32::from_be_bytes(*read.first_chunk::<PREFIX_LEN>()?) as usize;
    if read.len() < PREFIX_LEN + len {
        return None;
    }
    read.advance(PREFIX_LEN);
    Some(read.split_to(len))
}

pub(crate) struct FramedClient {
    runtime: Runtime,
    /// Absent only while a task has it.
    connection: Option<Connection>,
    payload: Vec<u8>,
}

impl FramedClient {
    pub(crate) fn connect(addr: SocketAddr, settings: &Settings) -> Result<Self, Failure> {
        let runtime = settings.runtime.runtime()?;
        let payload = vec![0x5a; settings.payload_bytes];
        let expected = payload.clone();
        let connection = drive(&runtime, PATIENCE, async move {
            let mut connection = Connection::new(TcpStream::connect(addr).await.when("connecting")?)?;
            if connection.one(&expected).await? != expected {
                return Err(Failure::new("the framed echo gave back something else"));
            }
            Ok(connection)
        })?;
        Ok(Self { runtime, connection: Some(connection), payload })
    }
}

impl Client for FramedClient {
    fn one_in_flight(&mut self, span: Duration) -> Result<Vec<u64>, Failure> {
        let mut connection = self.connection.take().expect("no phase has failed before");
        let payload = self.payload.clone();
        let (connection, taken) = drive(&self.runtime, span + PATIENCE, async move {
            let taken = connection.one_after_the_other(&payload, span).await?;
            Ok((connection, taken))
        })?;
        self.connection = Some(connection);
        Ok(taken)
    }

    fn many_in_flight(&mut self, in_flight: usize, span: Duration) -> Result<Burst, Failure> {
        let mut connection = self.connection.take().expect("no phase has failed before");
        let payload = self.payload.clone();
        let (connection, burst) = drive(&self.runtime, span + PATIENCE, async move {
            let burst = connection.many(&payload, in_flight, span).await?;
            Ok((connection, burst))
        })?;
        self.connection = Some(connection);
        Ok(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut buffer = BytesMut::new();
        put_message(&mut buffer, b"one");
        put_message(&mut buffer, b"two");
        let last = buffer.split_off(buffer.len() - 1);
        assert_eq!(next_message(&mut buffer).unwrap(), b"one"[..]);
        assert_eq!(next_message(&mut buffer), None, "half a message is none");
        buffer.unsplit(last);
        assert_eq!(next_message(&mut buffer).unwrap(), b"two"[..]);
    }
}
