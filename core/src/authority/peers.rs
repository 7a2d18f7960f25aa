//! What other nodes have shown.

use alloc::collections::BTreeMap;

use crate::access::Credentials;
use crate::identity::NodeId;

/// The credentials of each node that has sessions, and of those that had some lately: who comes back need not be checked again.
/// What a node has shown in one session counts in all of its sessions, because each proves that it is the same node.
#[derive(Debug)]
pub(super) struct Peers {
    table: BTreeMap<NodeId, Peer>,
    /// Nodes without a session, by when the last one ended.
    absent: BTreeMap<u64, NodeId>,
    absences: u64,
    absent_max: usize,
}

#[derive(Debug)]
struct Peer {
    credentials: Credentials,
    sessions: usize,
    /// Its place among those without a session.
    absence: Option<u64>,
}

impl Peers {
    pub(super) fn new(absent_max: usize) -> Self {
        Self { table: BTreeMap::new(), absent: BTreeMap::new(), absences: 0, absent_max }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn credentials(&self, node: &NodeId) -> Option<&Credentials> {
        self.table.get(node).map(|peer| &peer.credentials)
    }

    pub(super) fn credentials_mut(&mut self, node: NodeId) -> &mut Credentials {
        &mut self.peer(node).credentials
    }

    fn peer(&mut self, node: NodeId) -> &mut Peer {
        let fresh = || Peer { credentials: Credentials::new(node), sessions: 0, absence: None };
        self.table.entry(node).or_insert_with(fresh)
    }

    pub(super) fn session_began(&mut self, node: NodeId) {
        let peer = self.peer(node);
        peer.sessions += 1;
        if let Some(absence) = peer.absence.take() {
            self.absent.remove(&absence);
        }
        self.trim();
    }

    /// Forgets those who have been away for longest, if there are too many.
    fn trim(&mut self) {
        while self.table.len() > self.absent_max
            && let Some((_, oldest)) = self.absent.pop_first()
        {
            self.table.remove(&oldest);
        }
    }

    pub(super) fn session_ended(&mut self, node: &NodeId) {
        let Some(peer) = self.table.get_mut(node) else { return };
        peer.sessions = peer.sessions.saturating_sub(1);
        if peer.sessions > 0 {
            return;
        }
        if peer.credentials.is_empty() {
            self.table.remove(node);
            return;
        }
        self.absences += 1;
        peer.absence = Some(self.absences);
        self.absent.insert(self.absences, *node);
        self.trim();
    }
}
