//! Tokens that applications have, and what issuers take back.

use lacewing_core::Code;

use super::{Tag, World, tell};
use crate::history::What;
use crate::rights;
use crate::run::{RevokeItem, TokenItem};

impl World<'_, '_, '_> {
    /// `false`: there is no process that could show it.
    pub(super) fn give_token(&mut self, item: &TokenItem) -> bool {
        let known = &mut self.hosts[item.node].tokens;
        // What a newer one takes the place of is thrown away.
        known.retain(|known| known.area != item.area || known.generation >= item.generation);
        known.push(item.clone());
        self.show(item);
        self.hosts[item.node].process.is_some()
    }

    /// A new life shows what the application has. Those whose time is over it throws away.
    pub(super) fn show_again(&mut self, node: usize) {
        let now = self.now;
        let over = |item: &TokenItem| item.until.is_some_and(|until| super::at(until) <= now);
        self.hosts[node].tokens.retain(|item| !over(item));
        let tokens = self.hosts[node].tokens.clone();
        for item in &tokens {
            self.show(item);
        }
    }

    fn show(&mut self, item: &TokenItem) {
        let (now, node) = (self.now, item.node);
        let token = rights::token(self.run, item, |node| self.hosts[node].identity.clone());
        let Some(process) = self.hosts[node].process.as_mut().filter(|process| !process.stopping) else {
            return;
        };
        let shown = match token {
            Ok(token) => {
                process.engine.add_token(now, &token).map_err(|error| (error.code(), error.to_string()))
            }
            Err(error) => Err((error.code(), error.to_string())),
        };
        match shown {
            // The issuer has taken it back in the meantime.
            Ok(()) | Err((Code::FailedPrecondition, _)) => {}
            Err((_, text)) => {
                self.harness_error.get_or_insert(format!("n{node} refuses a token of the testbed: {text}"));
            }
        }
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, item.area.into()], b"token");
        tell!(self, node, "has a token: {item:?}");
        self.drain(node);
    }

    /// `false`: there is no process that could hear of it.
    pub(super) fn take_back(&mut self, item: &RevokeItem) -> bool {
        let (now, node) = (self.now, item.node);
        let head = rights::head(self.run.header.seed, item);
        let Some(process) = &mut self.hosts[node].process else { return false };
        match process.engine.inject_issuer_head(now, &head) {
            Ok(()) => {
                let (area, generation) = (item.area, item.generation);
                self.history.push(now, node, What::IssuerTold { area, generation });
            }
            // More was taken back before.
            Err(error) if error.code() == Code::FailedPrecondition => {}
            Err(error) => {
                self.harness_error.get_or_insert(format!("n{node} refuses a head of the testbed: {error}"));
            }
        }
        self.chain.add(&[now.as_nanos(), node as u64, Tag::Command as u64, item.generation], b"revoke");
        tell!(self, node, "hears from an issuer: {item:?}");
        self.drain(node);
        true
    }

    /// What a node has heard of issuers since the last time.
    pub(super) fn note_issuers(&mut self, node: usize) {
        if self.run.header.areas.is_none() {
            return;
        }
        let host = &mut self.hosts[node];
        let Some(process) = &mut host.process else { return };
        for (area, (issuer, _)) in (0..).zip(&host.config.access.issuers) {
            let generation = process.engine.issuer_generation(issuer).unwrap_or_default();
            let heard = process.heard.entry(area).or_default();
            if *heard < generation {
                *heard = generation;
                self.history.push(self.now, node, What::IssuerHeard { area, generation });
            }
        }
    }
}
