//! What is guarded in a run, who is given tokens for it, and what is taken back.

use serde::{Deserialize, Serialize};

use crate::quantity::Micros;

/// What nodes guard. Each area is a path below which only those may call, publish and subscribe who have a token of that area's
/// issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Areas {
    /// How many there are.
    pub count: u32,
    /// Nodes that have no rules and trust no issuer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unguarded: Vec<usize>,
}

impl Areas {
    /// Whether a node has rules.
    pub fn are_guarded_by(&self, node: usize) -> bool {
        !self.unguarded.contains(&node)
    }
}

/// A node is given a token. The application remembers it: a node that comes back shows it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenItem {
    /// When.
    pub t: Micros,
    /// Who.
    pub node: usize,
    /// For which area.
    pub area: u32,
    /// To do what there; one at least.
    pub rights: Vec<AreaRight>,
    /// In which generation its issuer signs it.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: u64,
    /// From when on it holds, so that it is not shown earlier; from before the run where that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Micros>,
    /// Until when it holds; beyond the end of the run where that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Micros>,
    /// The node that it was given to first, with more rights, and that has passed it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<usize>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
}

/// An issuer takes back what it has signed in earlier generations, and a node is the first to hear of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeItem {
    /// When.
    pub t: Micros,
    /// Who hears of it.
    pub node: usize,
    /// The issuer of which area.
    pub area: u32,
    /// Its generation from now on.
    pub generation: u64,
}

/// What a token allows in its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AreaRight {
    /// To call.
    Call,
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
}

impl AreaRight {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Call, Self::Publish, Self::Subscribe];
}

/// Why a token is no good, whoever shows it when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// A bit of its signature is wrong.
    Forged,
    /// Nobody trusts its issuer.
    Stranger,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_first(generation: &u64) -> bool {
    *generation == 0
}
