//! `lacewing keygen`.

use std::sync::Arc;

use lacewing::Identity;
use lacewing::crypto::RustCrypto;
use zeroize::Zeroizing;

use crate::arguments::KeygenArguments;
use crate::failure::Failure;
use crate::keyfile::{self, KeyKind};
use crate::screen;

pub(crate) fn run(arguments: &KeygenArguments) -> Result<(), Failure> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)
        .map_err(|error| Failure::usage(format!("the operating system gives no randomness: {error}")))?;
    let kind = if arguments.network { KeyKind::Network } else { KeyKind::Node };
    keyfile::write(&arguments.out, kind, &key, arguments.force)?;
    let shown = arguments.out.display();
    if arguments.network {
        return screen::line(&format!(
            "wrote a network key to {shown}; every node of the network needs a copy"
        ));
    }
    let identity = Identity::from_secret(*key, Arc::new(RustCrypto));
    screen::line(&format!("wrote a node key to {shown}"))?;
    screen::line(&format!("node id:    {}", identity.node_id()))?;
    screen::line(&format!("public key: {}", identity.public_key()))
}
