//! What a station can be told to do, a line each.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use lacewing::NodeId;

/// One line from the parent. The answer to all but [`Memory`](Self::Memory) and [`Neighbours`](Self::Neighbours) is how many
/// nanoseconds it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Say how much memory you have and have had.
    Memory,
    /// Say how many neighbours you have.
    Neighbours,
    /// Wait until a way leads to that node.
    Find(NodeId),
    /// Read so many bytes from a raw socket.
    FetchRaw { from: SocketAddr, bytes: u64 },
    /// Read a stream of so many bytes.
    Fetch { from: NodeId, bytes: u64 },
    /// Have so many calls open at once at that node.
    Hold { at: NodeId, calls: usize },
    /// Be so many more nodes, each linked to that address.
    Link { to: SocketAddr, nodes: usize },
    /// Call that node once from each of these nodes.
    CallFromEach { at: NodeId },
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Neighbours => f.write_str("neighbours"),
            Self::Find(node) => write!(f, "find {node}"),
            Self::FetchRaw { from, bytes } => write!(f, "fetch-raw {from} {bytes}"),
            Self::Fetch { from, bytes } => write!(f, "fetch {from} {bytes}"),
            Self::Hold { at, calls } => write!(f, "hold {at} {calls}"),
            Self::Link { to, nodes } => write!(f, "link {to} {nodes}"),
            Self::CallFromEach { at } => write!(f, "call-from-each {at}"),
        }
    }
}

impl FromStr for Order {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        fn read<T: FromStr>(word: &str) -> Result<T, ()> {
            word.parse().map_err(|_| ())
        }
        match *line.split(' ').collect::<Vec<_>>() {
            ["memory"] => Ok(Self::Memory),
            ["neighbours"] => Ok(Self::Neighbours),
            ["find", node] => Ok(Self::Find(read(node)?)),
            ["fetch-raw", from, bytes] => Ok(Self::FetchRaw { from: read(from)?, bytes: read(bytes)? }),
            ["fetch", from, bytes] => Ok(Self::Fetch { from: read(from)?, bytes: read(bytes)? }),
            ["hold", at, calls] => Ok(Self::Hold { at: read(at)?, calls: read(calls)? }),
            ["link", to, nodes] => Ok(Self::Link { to: read(to)?, nodes: read(nodes)? }),
            ["call-from-each", at] => Ok(Self::CallFromEach { at: read(at)? }),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lacewing::NodeId;

    use super::Order;

    #[test]
    fn orders_are_read_as_they_are_written() {
        let node: NodeId = "ab".repeat(32).parse().unwrap();
        let addr = "127.0.0.1:7400".parse().unwrap();
        for order in [
            Order::Memory,
            Order::Neighbours,
            Order::Find(node),
            Order::FetchRaw { from: addr, bytes: 1 << 30 },
            Order::Fetch { from: node, bytes: 1 << 30 },
            Order::Hold { at: node, calls: 10_000 },
            Order::Link { to: addr, nodes: 1_000 },
            Order::CallFromEach { at: node },
        ] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for line in ["", "memory 3", "fetch here 3", "link 127.0.0.1 4", "hold"] {
            assert_eq!(line.parse::<Order>(), Err(()), "{line}");
        }
    }
}
