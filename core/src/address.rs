//! Where a node can be dialled.

use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;

/// An address that can be dialled or listened on: a host name or IP address, and a port.
///
/// Written `host:port`, `lacewing://host:port`, `1.2.3.4:port` or `[::1]:port`.
///
/// ```
/// use lacewing_core::Address;
///
/// let named: Address = "lacewing://db.example:7400".parse().unwrap();
/// assert_eq!((named.host(), named.port()), ("db.example", 7400));
/// assert_eq!("[::1]:7400".parse::<Address>().unwrap().to_string(), "[::1]:7400");
///
/// let error = "db.example".parse::<Address>().unwrap_err();
/// assert!(error.to_string().contains("host:port"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// Text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `:port` at the end.
    #[error("no port: write host:port, for example 127.0.0.1:7400, [::1]:7400 or db.example:7400")]
    NoPort,
    /// The port is no number from 0 to 65535.
    #[error("the port must be a number from 0 to 65535")]
    BadPort,
    /// The host is empty, too long or has characters that no host name has.
    #[error(
        "the host must be an IP address or a name of letters, digits, '-', '_' and '.', at most 253 characters"
    )]
    BadHost,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets: [::1]:7400")]
    NoBrackets,
    /// Another scheme than `lacewing://`.
    #[error("the only scheme is lacewing://")]
    BadScheme,
}

impl Address {
    /// Longest host name, RFC 1035 section 2.3.4 without the final dot.
    pub const HOST_LEN_MAX: usize = 253;

    /// The host: a name, or an IP address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 in a listen address asks the system for a free one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// The host as an IP address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host is `0.0.0.0` or `::`: good to listen on, useless to dial.
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = match text.split_once("://") {
            Some(("lacewing", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(AddressError::BadScheme),
            None => text,
        };
        let (host, port) = rest.rsplit_once(':').ok_or(AddressError::NoPort)?;
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(if port.is_empty() { AddressError::NoPort } else { AddressError::BadPort });
        }
        let port = port.parse().map_err(|_| AddressError::BadPort)?;
        if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let ip: core::net::Ipv6Addr = inner.parse().map_err(|_| AddressError::BadHost)?;
            return Ok(Self { host: ip.to_string(), port });
        }
        if host.contains(':') {
            return Err(AddressError::NoBrackets);
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if host.is_empty() || host.len() > Self::HOST_LEN_MAX || !host.bytes().all(fits) {
            return Err(AddressError::BadHost);
        }
        Ok(Self { host: host.to_string(), port })
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        Self { host: socket.ip().to_string(), port: socket.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
