//! What makes a call of a run a stream: which shape, what goes each way, how fast, and who ends it.

use std::fmt;

use lacewing_core::engine::Shape as CoreShape;
use serde::{Deserialize, Serialize};

use crate::quantity::Micros;

/// How many messages go each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One request, one answer.
    #[default]
    Unary,
    /// One request, any number of items back.
    ServerStream,
    /// Any number of uploads, one answer.
    ClientStream,
    /// Any number of both.
    Bidirectional,
}

impl Shape {
    /// The core's word for it.
    pub fn in_core(self) -> CoreShape {
        match self {
            Self::Unary => CoreShape::Unary,
            Self::ServerStream => CoreShape::ServerStream,
            Self::ClientStream => CoreShape::ClientStream,
            Self::Bidirectional => CoreShape::Bidirectional,
        }
    }

    /// Whether anything goes this way besides the request and the answer.
    pub fn has(self, flow: Flow) -> bool {
        match flow {
            Flow::Uploads => self.in_core().has_uploads(),
            Flow::Items => self.in_core().has_items(),
        }
    }

    /// Whether it is no stream.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub fn is_unary(&self) -> bool {
        *self == Self::Unary
    }
}

/// One of the two directions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// From the caller to the handler.
    Uploads,
    /// From the handler to the caller.
    Items,
}

impl Flow {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Uploads, Self::Items];
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uploads => "uploads",
            Self::Items => "items",
        })
    }
}

/// What goes one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sends {
    /// How many, unless the stream ends before.
    pub count: u64,
    /// Bytes of each.
    pub size: u64,
    /// Pause of the sender after each.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub every: Micros,
    /// Pause of the receiver after each.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub taken_every: Micros,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(span: &Micros) -> bool {
    *span == Micros::ZERO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

fn is_nothing(sends: &Sends) -> bool {
    *sends == Sends::default()
}

/// What makes a call a stream. Its handler sends all its items and takes uploads to their end, then works for as long as `handler`
/// says, and answers or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSpec {
    /// The shape in which the action is served.
    pub shape: Shape,
    /// The shape in which it is called, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Shape>,
    /// What the caller sends.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub uploads: Sends,
    /// What the handler sends.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub items: Sends,
    /// How long nothing may move.
    pub idle: Micros,
    /// There is no other time limit: `timeout` of the call is of no effect.
    #[serde(default, skip_serializing_if = "is_false")]
    pub endless: bool,
    /// The caller gives up when it has taken so many items, 1 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<u64>,
    /// The handler is done when it has sent so many items, or if it sends none, has taken so many uploads: 1 at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_after: Option<u64>,
}

impl StreamSpec {
    /// The shape in which it is called.
    pub fn called(&self) -> Shape {
        self.called.unwrap_or(self.shape)
    }

    /// Whether it may be called like that.
    pub fn is_allowed(&self) -> bool {
        self.shape.in_core().may_be_called_as(self.called().in_core())
    }

    /// What goes one way.
    pub fn sends(&self, flow: Flow) -> &Sends {
        match flow {
            Flow::Uploads => &self.uploads,
            Flow::Items => &self.items,
        }
    }

    /// The longest that the application at either end may be busy with something else.
    pub fn longest_pause(&self) -> Micros {
        let Self { uploads, items, .. } = self;
        [uploads.every, uploads.taken_every, items.every, items.taken_every]
            .into_iter()
            .max()
            .unwrap_or_default()
    }

    /// How long the caller may take until it looks whether the stream has ended: it takes what has come before, and a caller that only
    /// uploads looks when it sends.
    pub fn unaware(&self) -> Micros {
        let taking = if self.called().has(Flow::Items) {
            Micros(self.items.taken_every.0.saturating_mul(self.items.count))
        } else {
            Micros::ZERO
        };
        let sending = if self.called() == Shape::ClientStream { self.uploads.every } else { Micros::ZERO };
        taking.plus(sending)
    }
}
