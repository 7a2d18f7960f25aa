//! Patterns of action paths: `[net:]a/b/{p}/*/>`.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

use super::ActionPath;

/// A pattern of action paths: 1 to 64 segments separated by `/`, 1,024 bytes at most.
///
/// | segment | matches |
/// |---|---|
/// | `orders` | that segment |
/// | `{id}` | any one segment, and binds it to a name that is in the pattern once |
/// | `*` | any one segment |
/// | `>` | one segment or more; only at the end |
///
/// A network name and a colon in front make a pattern for nodes of that network only. Everything before the first colon of
/// the first segment is the network; a pattern whose first segment has a colon itself begins with a colon: `:a:b/c`.
///
/// Patterns are ordered, the most specific one first: at the first segment where two differ in kind, a literal comes before
/// a template, a template before `*`, `*` before `>`. Of patterns with the same kinds a longer one comes first, then one
/// with a network, then the lesser text.
///
/// ```
/// use lacewing_core::wire::path::PathPattern;
///
/// let pattern: PathPattern = "orders/{region}/>".parse().unwrap();
/// let bindings = pattern.matches("orders/eu/place/now").unwrap();
/// assert_eq!(bindings.get("region"), Some("eu"));
/// assert_eq!(bindings.tail(), Some("place/now"));
/// assert!(pattern.matches("orders/eu").is_none());
/// assert!("orders/>".parse::<PathPattern>().unwrap() > pattern);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: String,
    network: Option<Box<str>>,
    /// Byte in `text` where the path begins, behind the network and its colon.
    path_at: usize,
}

/// One segment of a pattern, the most specific kind first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment<'a> {
    /// This very segment.
    Literal(&'a str),
    /// `{name}`: any one segment, bound to the name.
    Template(&'a str),
    /// `*`: any one segment.
    Any,
    /// `>`: all that is left, at least one segment.
    Tail,
}

impl Segment<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Template(_) => 1,
            Self::Any => 2,
            Self::Tail => 3,
        }
    }
}

impl<'a> From<&'a str> for Segment<'a> {
    /// Reads a segment of a pattern that was checked.
    fn from(text: &'a str) -> Self {
        match text {
            "*" => Self::Any,
            ">" => Self::Tail,
            _ => match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => Self::Template(name),
                None => Self::Literal(text),
            },
        }
    }
}

/// What the templates of a pattern stand for in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings<'p, 's> {
    named: Vec<(&'p str, &'s str)>,
    tail: Option<&'s str>,
}

impl<'p, 's> Bindings<'p, 's> {
    /// The segment that the template of this name stands for.
    pub fn get(&self, name: &str) -> Option<&'s str> {
        self.named.iter().find(|(known, _)| *known == name).map(|(_, segment)| *segment)
    }

    /// Names and segments, in the order of the path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'p str, &'s str)> + '_ {
        self.named.iter().copied()
    }

    /// What `>` stands for, slashes and all.
    pub fn tail(&self) -> Option<&'s str> {
        self.tail
    }
}

impl PathPattern {
    /// Longest pattern in bytes, network and colon included.
    pub const LEN_MAX: usize = ActionPath::LEN_MAX;
    /// Most segments.
    pub const SEGMENTS_MAX: usize = ActionPath::SEGMENTS_MAX;
    /// Longest network name in bytes.
    const NETWORK_LEN_MAX: usize = 64;

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The network that the pattern is for; `None` for all.
    pub fn network(&self) -> Option<&str> {
        self.network.as_deref()
    }

    /// Whether the pattern is for nodes of this network.
    pub fn is_for(&self, network: &str) -> bool {
        self.network().is_none_or(|own| own == network)
    }

    /// The path part: the pattern without its network.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// The segments, from left to right.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.path().split('/').map(Segment::from)
    }

    /// What the templates stand for, if the pattern matches `path`, whatever the network. Text that is no
    /// [`ActionPath`] is matched by nothing.
    pub fn matches<'s>(&self, path: &'s str) -> Option<Bindings<'_, 's>> {
        ActionPath::check(path).ok()?;
        self.bind(path)
    }

    /// Whether the pattern matches a path, whatever the network. Allocates nothing.
    pub fn admits(&self, path: &ActionPath) -> bool {
        // By bytes, and without looking into templates: this is asked for each call.
        let (mut own, mut left) = (Some(self.path().as_bytes()), Some(path.as_str().as_bytes()));
        while let Some(pattern) = own {
            let Some(path) = left else { return false };
            let ((item, items), (here, after)) = (cut(pattern), cut(path));
            match item {
                b">" => return true,
                b"*" | [b'{', ..] => {}
                literal if literal == here => {}
                _ => return false,
            }
            (own, left) = (items, after);
        }
        left.is_none()
    }

    /// Whether a subscription to this pattern gets the events of a topic in this network: it matches, and does not stand for a topic
    /// that begins with `$` by a wildcard.
    ///
    /// ```
    /// use lacewing_core::wire::path::PathPattern;
    ///
    /// let everything: PathPattern = ">".parse().unwrap();
    /// assert!(everything.reaches("prod", &"orders/eu".parse().unwrap()));
    /// assert!(!everything.reaches("prod", &"$node/load".parse().unwrap()));
    /// ```
    pub fn reaches(&self, network: &str, topic: &ActionPath) -> bool {
        self.is_for(network) && self.admits(topic) && (self.is_internal() || !topic.is_internal())
    }

    /// Whether this pattern matches whatever `other` matches, in every network that `other` is for.
    ///
    /// A yes is a promise. A no is not: no path has more than 64 segments, and that is not considered.
    ///
    /// ```
    /// use lacewing_core::wire::path::PathPattern;
    ///
    /// let pattern = |text: &str| text.parse::<PathPattern>().unwrap();
    /// assert!(pattern("orders/>").covers(&pattern("orders/{region}/place")));
    /// assert!(pattern("orders/*").covers(&pattern("prod:orders/eu")));
    /// assert!(!pattern("orders/*").covers(&pattern("orders/>")));
    /// assert!(!pattern("prod:orders/*").covers(&pattern("orders/eu")));
    /// ```
    pub fn covers(&self, other: &Self) -> bool {
        let network = self.network.is_none() || self.network == other.network;
        network && self.covers_paths_of(other)
    }

    /// As [`covers`](Self::covers), whatever the networks.
    pub fn covers_paths_of(&self, other: &Self) -> bool {
        let mut others = other.segments();
        for own in self.segments() {
            match (own, others.next()) {
                (_, None) => return false,
                (Segment::Tail, Some(_)) => return true,
                (_, Some(Segment::Tail)) => return false,
                (Segment::Literal(own), Some(other)) if other != Segment::Literal(own) => return false,
                (Segment::Literal(_) | Segment::Template(_) | Segment::Any, Some(_)) => {}
            }
        }
        others.next().is_none()
    }

    /// Whether there may be a path that both patterns match, whatever the networks. A no is a promise.
    pub fn overlaps_paths_of(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.segments(), other.segments());
        loop {
            match (own.next(), others.next()) {
                (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Segment::Tail), Some(_)) | (Some(_), Some(Segment::Tail)) => return true,
                (Some(Segment::Literal(one)), Some(Segment::Literal(two))) if one != two => return false,
                (Some(_), Some(_)) => {}
            }
        }
    }

    /// Whether the pattern names internal paths: those whose first segment begins with `$`. A wildcard in the first place
    /// does not.
    pub fn is_internal(&self) -> bool {
        self.path().starts_with('$')
    }

    /// As [`matches`](Self::matches), for a path that was checked.
    pub(super) fn bind<'s>(&self, path: &'s str) -> Option<Bindings<'_, 's>> {
        let mut bindings = Bindings::default();
        let mut left = Some(path);
        for segment in self.segments() {
            let rest = left?;
            let (here, after) = match rest.split_once('/') {
                Some((here, after)) => (here, Some(after)),
                None => (rest, None),
            };
            match segment {
                Segment::Literal(text) if text == here => {}
                Segment::Literal(_) => return None,
                Segment::Template(name) => bindings.named.push((name, here)),
                Segment::Any => {}
                Segment::Tail => {
                    bindings.tail = Some(rest);
                    return Some(bindings);
                }
            }
            left = after;
        }
        left.is_none().then_some(bindings)
    }
}

/// The first segment, and what is left behind its slash.
fn cut(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    }
}

impl Ord for PathPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let ranks = |pattern: &Self| pattern.segments().map(Segment::rank).collect::<Vec<_>>();
        let (own, others) = (ranks(self), ranks(other));
        let kinds = own.iter().zip(&others).map(|(a, b)| a.cmp(b)).find(|order| order.is_ne());
        kinds
            .unwrap_or_else(|| others.len().cmp(&own.len()))
            .then_with(|| self.network.is_none().cmp(&other.network.is_none()))
            .then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for PathPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for PathPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.len() > Self::LEN_MAX {
            return Err(PatternError::TooLong(text.len()));
        }
        let first = text.find('/').unwrap_or(text.len());
        let colon = text[..first].find(':');
        let (network, path_at) = match colon {
            Some(0) => (None, 1),
            Some(at) => (Some(&text[..at]), at + 1),
            None => (None, 0),
        };
        // Without a colon in the first segment, the one in front has nothing to say, and a pattern has one spelling.
        if path_at == 1 && network.is_none() && !text[1..first].contains(':') {
            return Err(PatternError::NoNetwork);
        }
        if let Some(at) = network.and_then(|name| name.find(char::is_control)) {
            return Err(PatternError::BadCharacter(at));
        }
        if network.is_some_and(|name| name.len() > Self::NETWORK_LEN_MAX) {
            return Err(PatternError::LongNetwork(path_at - 1));
        }
        check_segments(text, path_at)?;
        Ok(Self { text: text.to_string(), network: network.map(Box::from), path_at })
    }
}

/// Checks all segments; offsets in errors count from the start of `text`.
fn check_segments(text: &str, path_at: usize) -> Result<(), PatternError> {
    let path = &text[path_at..];
    if path.is_empty() {
        return Err(PatternError::Empty);
    }
    let mut names: Vec<&str> = Vec::new();
    let mut at = path_at;
    for (index, segment) in path.split('/').enumerate() {
        if index == PathPattern::SEGMENTS_MAX {
            return Err(PatternError::TooManySegments(at));
        }
        if segment.is_empty() {
            return Err(PatternError::EmptySegment(at));
        }
        let bad = |c: char| c.is_control() || c.is_whitespace();
        if let Some(offset) = segment.find(bad) {
            return Err(PatternError::BadCharacter(at + offset));
        }
        let end = at + segment.len();
        match Segment::from(segment) {
            Segment::Tail if end < text.len() => return Err(PatternError::TailNotLast(at)),
            Segment::Template(name) => {
                if name.is_empty() || name.contains(['{', '}', '*', '>']) {
                    return Err(PatternError::BadTemplate(at));
                }
                if names.contains(&name) {
                    return Err(PatternError::NameTwice(at));
                }
                names.push(name);
            }
            Segment::Literal(text) => {
                if let Some(offset) = text.find(['{', '}']) {
                    return Err(PatternError::BadTemplate(at + offset));
                }
                if let Some(offset) = text.find(['*', '>']) {
                    return Err(PatternError::PartialWildcard(at + offset));
                }
            }
            Segment::Any | Segment::Tail => {}
        }
        at = end + 1;
    }
    Ok(())
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({:?})", self.text)
    }
}

/// Text that is no pattern: what is wrong, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No segments.
    #[error("a pattern needs at least one segment: > matches every path")]
    Empty,
    /// More than 1,024 bytes.
    #[error("a pattern has at most 1024 bytes, this one has {0}")]
    TooLong(usize),
    /// More than 64 segments.
    #[error("a pattern has at most 64 segments, the next begins at byte {0}")]
    TooManySegments(usize),
    /// `//`, or a slash at the start or the end.
    #[error("the segment at byte {0} of the pattern is empty")]
    EmptySegment(usize),
    /// A control character or white space.
    #[error("byte {0} of the pattern is a control character or white space")]
    BadCharacter(usize),
    /// `>` before the end.
    #[error("the > at byte {0} of the pattern can only be the last segment; * stands for one segment")]
    TailNotLast(usize),
    /// `*` or `>` that is only a part of a segment.
    #[error("the wildcard at byte {0} of the pattern must be a segment by itself")]
    PartialWildcard(usize),
    /// A brace that is not the first or last of a `{name}` that fills its segment.
    #[error("byte {0} of the pattern: a template is a whole segment, {{name}}")]
    BadTemplate(usize),
    /// A second template of the same name.
    #[error("the template at byte {0} of the pattern has a name that was bound before")]
    NameTwice(usize),
    /// A colon in front that is not needed.
    #[error(
        "a pattern begins with a colon only where its first segment has another one; a network name goes before it"
    )]
    NoNetwork,
    /// A network name of more than 64 bytes.
    #[error("a network name has at most 64 bytes, this one has {0}")]
    LongNetwork(usize),
}

impl PatternError {
    /// The stable name that fixtures use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::TooLong(_) => "TooLong",
            Self::TooManySegments(_) => "TooManySegments",
            Self::EmptySegment(_) => "EmptySegment",
            Self::BadCharacter(_) => "BadCharacter",
            Self::TailNotLast(_) => "TailNotLast",
            Self::PartialWildcard(_) => "PartialWildcard",
            Self::BadTemplate(_) => "BadTemplate",
            Self::NameTwice(_) => "NameTwice",
            Self::NoNetwork => "NoNetwork",
            Self::LongNetwork(_) => "LongNetwork",
        }
    }

    /// The byte that is wrong, counted from 0.
    pub const fn at(self) -> usize {
        match self {
            Self::Empty | Self::NoNetwork => 0,
            Self::TooLong(_) => PathPattern::LEN_MAX,
            Self::LongNetwork(_) => PathPattern::NETWORK_LEN_MAX,
            Self::TooManySegments(at)
            | Self::EmptySegment(at)
            | Self::BadCharacter(at)
            | Self::TailNotLast(at)
            | Self::PartialWildcard(at)
            | Self::BadTemplate(at)
            | Self::NameTwice(at) => at,
        }
    }
}
