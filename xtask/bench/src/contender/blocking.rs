//! The lowest floor: std sockets, a thread a connection, no message boundaries but the known length.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Burst, Client, PATIENCE, Window, latencies};
use crate::clock::Stopwatch;
use crate::failure::{Failure, While as _};
use crate::options::Settings;
use crate::thread;

const BUFFER_BYTES: usize = 64 * 1024;

pub(crate) fn serve(ready: impl FnOnce(SocketAddr)) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).when("listening")?;
    ready(listener.local_addr().when("listening")?);
    loop {
        let (stream, _) = listener.accept().when("accepting")?;
        thread::start(move || echo(stream));
    }
}

/// Echoes until the client is gone.
fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    if stream.set_nodelay(true).is_err() {
        return;
    }
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

pub(crate) struct BlockingClient {
    stream: TcpStream,
    payload: Vec<u8>,
    buffer: Vec<u8>,
}

impl BlockingClient {
    pub(crate) fn connect(addr: SocketAddr, settings: &Settings) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE).when("connecting")?;
        stream.set_nodelay(true).when("connecting")?;
        stream.set_read_timeout(Some(PATIENCE)).when("connecting")?;
        stream.set_write_timeout(Some(PATIENCE)).when("connecting")?;
        let payload = vec![0x5a; settings.payload_bytes];
        let mut client = Self { stream, payload, buffer: vec![0; BUFFER_BYTES] };
        client.echo()?;
        if client.buffer[..client.payload.len()] != client.payload[..] {
            return Err(Failure::new("the blocking echo gave back something else"));
        }
        Ok(client)
    }

    fn echo(&mut self) -> Result<(), Failure> {
        self.stream.write_all(&self.payload).when("sending to the blocking echo")?;
        self.stream.read_exact(&mut self.buffer[..self.payload.len()]).when("waiting for the blocking echo")
    }
}

impl Client for BlockingClient {
    fn one_in_flight(&mut self, span: Duration) -> Result<Vec<u64>, Failure> {
        let (mut taken, phase) = (latencies(span), Stopwatch::start());
        while phase.elapsed() < span {
            let watch = Stopwatch::start();
            self.echo()?;
            taken.push(watch.elapsed().as_nanos() as u64);
        }
        Ok(taken)
    }

    /// What came with one read is replaced with one write.
    fn many_in_flight(&mut self, in_flight: usize, span: Duration) -> Result<Burst, Failure> {
        let len = self.payload.len();
        let messages = self.payload.repeat(in_flight);
        let mut window = Window::new(in_flight, span);
        self.stream.write_all(&messages).when("sending to the blocking echo")?;
        let mut part = 0;
        while window.is_open() {
            let count = self.stream.read(&mut self.buffer).when("waiting for the blocking echo")?;
            if count == 0 {
                return Err(Failure::new("the blocking echo closed its connection"));
            }
            let echoes = (part + count) / len;
            part = (part + count) % len;
            let again = window.came(echoes);
            self.stream.write_all(&messages[..again * len]).when("sending to the blocking echo")?;
        }
        Ok(window.burst())
    }
}
