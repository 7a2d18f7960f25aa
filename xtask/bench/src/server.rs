//! The other process, from inside and from outside.
//!
//! It prints its address, answers each line `cpu` with the nanoseconds of processor time that it has used, and ends when its
//! standard input closes, so that it cannot outlive whoever started it.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use crate::clock::cpu_time;
use crate::contender::{Contender, Threads};
use crate::failure::{Failure, While as _};
use crate::process::Process;
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
    process: Process,
}

impl Server {
    pub(crate) fn start(contender: Contender, threads: Threads) -> Result<Self, Failure> {
        let mut process = Process::start(&["serve", contender.name()], threads)?;
        let addr = process.answer()?.parse().when("reading the address of the server")?;
        Ok(Self { addr, process })
    }

    /// Processor time that the server has used so far.
    pub(crate) fn cpu_time(&mut self) -> Result<Duration, Failure> {
        let nanos = self.process.ask(CPU)?.parse().when("reading the processor time of the server")?;
        Ok(Duration::from_nanos(nanos))
    }
}
