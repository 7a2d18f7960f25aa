//! Tokens that applications have, and what issuers take back.

use std::sync::Arc;

use lacewing::{Code, Node};

use super::World;
use super::scene::{Command, Scene, Tag};
use crate::history::What;
use crate::rights;
use crate::run::{Item, TokenItem};

fn token_item(scene: &Scene, index: usize) -> Option<&TokenItem> {
    match &scene.run.items[index] {
        Item::Token(item) => Some(item),
        _ => None,
    }
}

/// A new life shows what the application has. Those whose time is over it throws away.
pub(super) fn show_again(scene: &Arc<Scene>, host: usize, node: &Node) {
    let now = scene.now();
    let over = |item: &TokenItem| item.until.is_some_and(|until| super::at(until) <= now);
    scene.board(host).tokens.retain(|index| token_item(scene, *index).is_some_and(|item| !over(item)));
    let tokens = scene.board(host).tokens.clone();
    for index in tokens {
        show(scene, host, node, index);
    }
}

pub(super) fn show(scene: &Arc<Scene>, host: usize, node: &Node, index: usize) {
    let Some(item) = token_item(scene, index) else { return };
    let token = match rights::token(&scene.run, item, |node| scene.identities[node].clone()) {
        Ok(token) => token,
        Err(error) => return scene.give_up(format!("n{host} has a token that cannot be made: {error}")),
    };
    match node.add_token(&token) {
        // The issuer has taken it back in the meantime.
        Err(error) if error.code() != Code::FailedPrecondition => {
            scene.give_up(format!("n{host} refuses a token of the testbed: {error}"));
        }
        Ok(()) | Err(_) => scene.chain(host, Tag::Application, &[index as u64], b"token"),
    }
}

pub(super) fn revoke(scene: &Arc<Scene>, host: usize, node: &Node, index: usize) {
    let Item::Revoke(item) = &scene.run.items[index] else { return };
    match node.revoke(&rights::head(scene.run.header.seed, item)) {
        Ok(()) => {
            let (area, generation) = (item.area, item.generation);
            scene.push(host, What::IssuerTold { area, generation });
        }
        // More was taken back before.
        Err(error) if error.code() == Code::FailedPrecondition => {}
        Err(error) => return scene.give_up(format!("n{host} refuses a head of the testbed: {error}")),
    }
    scene.chain(host, Tag::Application, &[index as u64], b"revoke");
}

/// What a node has heard of issuers since the last time.
pub(super) fn note_issuers(scene: &Scene, host: usize, node: &Node) {
    let Some(areas) = scene.run.header.areas.as_ref().filter(|areas| areas.are_guarded_by(host)) else {
        return;
    };
    for area in 0..areas.count {
        let issuer = rights::issuer(scene.run.header.seed, area).public_key();
        let generation = node.issuer_generation(&issuer).unwrap_or_default();
        let known = scene.board(host).heard.get(&area).copied().unwrap_or_default();
        if known < generation {
            scene.board(host).heard.insert(area, generation);
            scene.push(host, What::IssuerHeard { area, generation });
        }
    }
}

impl World<'_, '_> {
    pub(super) fn give_token(&mut self, index: usize, item: &TokenItem) -> bool {
        {
            let mut board = self.scene.board(item.node);
            // What a newer one takes the place of is thrown away.
            board.tokens.retain(|known| {
                let known = token_item(&self.scene, *known);
                known.is_some_and(|known| known.area != item.area || known.generation >= item.generation)
            });
            board.tokens.push(index);
        }
        self.command(item.node, Command::Show(index))
    }
}
