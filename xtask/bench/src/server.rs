//! The other process, from inside and from outside.
//!
//! It prints its address, answers each line `cpu` with the nanoseconds of processor time that it has used, and ends when its
//! standard input closes, so that it cannot outlive whoever started it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::cpu_time;
use crate::contender::{Contender, Threads};
use crate::failure::{Failure, While as _};
use crate::thread;

const CPU: &str = "cpu";

/// Is the other process.
pub(crate) fn serve(contender: Contender, threads: Threads) -> Result<(), Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::start(move || {
        let ready = sender.clone();
        let ended = contender.serve(threads, |addr| {
            // Nobody to tell: the process is ending.
            let _ = ready.send(Ok(addr));
        });
        if let Err(failure) = ended {
            let _ = sender.send(Err(failure));
        }
    });
    let ended = || Failure::new("the server ended without a word");
    let addr = receiver.recv().map_err(|_| ended())??;
    println!("{addr}");
    for line in std::io::stdin().lines() {
        let line = line.when("reading what the parent wants")?;
        if line != CPU {
            return Err(Failure::new(format!("the parent wants `{line}`, which means nothing here")));
        }
        println!("{}", cpu_time().as_nanos());
    }
    // A server that failed has closed its connections; the parent has seen that, and here is why.
    receiver.try_recv().map_or(Ok(()), |ended| ended.map(|_| ()))
}

/// The other process, seen from its parent.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    child: Child,
    /// Closed first when the server is dropped.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(contender: Contender, threads: Threads) -> Result<Self, Failure> {
        let program = std::env::current_exe().when("looking for this program")?;
        let mut command = Command::new(program);
        command.args(["serve", contender.name()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        if threads == Threads::MultiThread {
            command.arg("--multi-thread");
        }
        let mut child = command.spawn().when("starting the server")?;
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it was asked for"));
        let placeholder = SocketAddr::from(([127, 0, 0, 1], 0));
        // From here on dropping it ends the process.
        let mut server = Self { addr: placeholder, child, stdin, stdout };
        server.addr = server.answer()?.parse().when("reading the address of the server")?;
        Ok(server)
    }

    /// Processor time that the server has used so far.
    pub(crate) fn cpu_time(&mut self) -> Result<Duration, Failure> {
        let stdin = self.stdin.as_mut().expect("it is closed only when the server is dropped");
        writeln!(stdin, "{CPU}").when("asking the server")?;
        let nanos = self.answer()?.parse().when("reading the processor time of the server")?;
        Ok(Duration::from_nanos(nanos))
    }

    fn answer(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).when("listening to the server")? == 0 {
            return Err(Failure::new("the server ended before its time"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // Whatever it says at its end, it has been said on its standard error.
        let _ = self.child.wait();
    }
}
