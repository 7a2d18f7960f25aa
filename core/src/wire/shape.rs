//! How many messages go each way in a call, and which streams go first.

/// The shape of an action, and of a call of it.
///
/// ```
/// use lacewing_core::wire::shape::Shape;
///
/// assert!(Shape::ServerStream.has_items() && !Shape::ServerStream.has_uploads());
/// assert_eq!(Shape::from_number(Shape::Bidirectional.number()), Some(Shape::Bidirectional));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Shape {
    /// One request, one answer.
    #[default]
    Unary,
    /// One request, any number of items back.
    ServerStream,
    /// Any number of uploads after the request, one answer.
    ClientStream,
    /// Any number of uploads and any number of items back, in whatever order.
    Bidirectional,
}

impl Shape {
    /// Every shape, by number.
    pub const ALL: [Self; 4] = [Self::Unary, Self::ServerStream, Self::ClientStream, Self::Bidirectional];

    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Unary => 0,
            Self::ServerStream => 1,
            Self::ClientStream => 2,
            Self::Bidirectional => 3,
        }
    }

    /// The shape of a number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Unary,
            1 => Self::ServerStream,
            2 => Self::ClientStream,
            3 => Self::Bidirectional,
            _ => return None,
        })
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ServerStream => "server_stream",
            Self::ClientStream => "client_stream",
            Self::Bidirectional => "bidirectional",
        }
    }

    /// Whether the caller sends more than its request.
    pub const fn has_uploads(self) -> bool {
        matches!(self, Self::ClientStream | Self::Bidirectional)
    }

    /// Whether the handler answers with items instead of one reply.
    pub const fn has_items(self) -> bool {
        matches!(self, Self::ServerStream | Self::Bidirectional)
    }

    /// Whether it is a stream in any direction.
    pub const fn is_stream(self) -> bool {
        !matches!(self, Self::Unary)
    }

    /// Whether an action of this shape may be called in that one: in its own, and one that answers once also by whoever takes a
    /// stream of items, as one item.
    pub const fn may_be_called_as(self, call: Self) -> bool {
        self.number() == call.number() || matches!((self, call), (Self::Unary, Self::ServerStream))
    }
}

/// Which streams of a link get more of it than others. It says nothing about calls that are no streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// An eighth of what a high one gets.
    Low,
    /// Half of what a high one gets.
    #[default]
    Normal,
    /// The most.
    High,
}
