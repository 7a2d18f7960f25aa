//! Where peers are told that this node can be dialled.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::address::Address;
use crate::wire::body::HELLO_ADDRS_MAX;

/// Addresses that peers have reached us on, at most.
const REACHED_MAX: usize = 4;

/// The addresses that this node listens on, where they can be dialled; for those on an unspecified host (`0.0.0.0`), the
/// addresses that peers have in fact dialled.
#[derive(Debug)]
pub(super) struct Advertised {
    listen: Vec<Address>,
    /// Latest last.
    reached: VecDeque<Address>,
}

impl Advertised {
    pub(super) fn new(listen: &[Address]) -> Self {
        Self { listen: listen.to_vec(), reached: VecDeque::new() }
    }

    /// A peer that proved its identity says that it dialled this. It counts only if its port is one that we listen on with
    /// an unspecified host: otherwise we know better ourselves.
    pub(super) fn reached_on(&mut self, dialled: &Address) {
        let ours = |listen: &&Address| listen.is_unspecified() && listen.port() == dialled.port();
        if dialled.is_unspecified() || !self.listen.iter().any(|listen| ours(&listen)) {
            return;
        }
        self.reached.retain(|known| known != dialled);
        if self.reached.len() == REACHED_MAX {
            self.reached.pop_front();
        }
        self.reached.push_back(dialled.clone());
    }

    /// What goes into a HELLO.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let dialable = self.listen.iter().filter(|listen| !listen.is_unspecified());
        dialable.chain(self.reached.iter().rev()).take(HELLO_ADDRS_MAX as usize).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use std::string::{String, ToString};

    use super::Advertised;

    fn told(advertised: &Advertised) -> Vec<String> {
        advertised.addresses().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_node_on_an_unspecified_host_advertises_what_peers_have_dialled() {
        let listen = ["0.0.0.0:7400".parse().unwrap(), "10.0.0.1:7500".parse().unwrap()];
        let mut advertised = Advertised::new(&listen);
        assert_eq!(told(&advertised), ["10.0.0.1:7500"]);
        advertised.reached_on(&"db.example:7400".parse().unwrap());
        assert_eq!(told(&advertised), ["10.0.0.1:7500", "db.example:7400"]);
    }

    #[test]
    fn a_peer_cannot_make_it_advertise_another_port_or_an_unspecified_host() {
        let mut advertised = Advertised::new(&["0.0.0.0:7400".parse().unwrap()]);
        advertised.reached_on(&"evil.example:80".parse().unwrap());
        advertised.reached_on(&"0.0.0.0:7400".parse().unwrap());
        assert!(advertised.addresses().is_empty());
    }

    #[test]
    fn only_the_latest_few_are_kept() {
        let mut advertised = Advertised::new(&["[::]:7400".parse().unwrap()]);
        for host in 0..100 {
            advertised.reached_on(&std::format!("10.0.0.{host}:7400").parse().unwrap());
        }
        assert_eq!(told(&advertised).first().unwrap(), "10.0.0.99:7400");
        assert_eq!(told(&advertised).len(), 4);
    }
}
