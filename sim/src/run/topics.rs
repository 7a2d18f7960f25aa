//! Subscriptions and events of a run.

use serde::{Deserialize, Serialize};

use lacewing_core::engine::{Overflow, PublishMode};

use crate::quantity::Micros;

/// A node subscribes. The application remembers it: a node that comes back subscribes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscribeItem {
    /// When.
    pub t: Micros,
    /// The number of the subscription, unique in the run.
    pub id: u64,
    /// Who.
    pub node: usize,
    /// The pattern.
    pub pattern: String,
    /// The group that it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Places of its queue.
    pub queue: usize,
    /// What happens when that is full.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overflow: OverflowRule,
    /// How long the application works on an event.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub work: Micros,
}

/// A node ends a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsubscribeItem {
    /// When.
    pub t: Micros,
    /// The number of the subscription.
    pub id: u64,
    /// Who.
    pub node: usize,
}

/// A node publishes an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishItem {
    /// When.
    pub t: Micros,
    /// The number of the event, unique in the run.
    pub id: u64,
    /// Who.
    pub node: usize,
    /// On which topic.
    pub topic: String,
    /// Bytes of the payload, at least 12, of which the first name the event.
    pub size: u64,
    /// Whom it is for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: EventMode,
}

/// What happens to an event for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowRule {
    /// The oldest is dropped for it.
    #[default]
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// Publishers of the node are held up.
    Block,
}

impl OverflowRule {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::DropOldest, Self::DropNewest, Self::Block];

    /// The core's word for it.
    pub fn in_core(self) -> Overflow {
        match self {
            Self::DropOldest => Overflow::DropOldest,
            Self::DropNewest => Overflow::DropNewest,
            Self::Block => Overflow::Block,
        }
    }
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventMode {
    /// Everybody.
    #[default]
    All,
    /// One of each group, and those without one.
    OnePerGroup,
    /// Subscriptions of the publishing node.
    Local,
}

impl EventMode {
    /// The core's word for it.
    pub fn in_core(self) -> PublishMode {
        match self {
            Self::All => PublishMode::All,
            Self::OnePerGroup => PublishMode::OnePerGroup,
            Self::Local => PublishMode::Local,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(span: &Micros) -> bool {
    *span == Micros::ZERO
}
