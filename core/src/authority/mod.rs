//! Whose word counts here: what nodes have shown of what they may do, and what issuers have taken back.
//!
//! Tokens are checked once, when they are shown, and kept for each node. Whether one holds is asked of its time and its issuer
//! each time that it is used. Issuers' heads are flooded: to neighbours, when they are news; and all of them when a link
//! comes up, and now and then for what a full queue has dropped.

mod heads;
mod own;
mod peers;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use self::heads::Heads;
use self::own::OwnTokens;
use self::peers::Peers;
use crate::access::{Caller, Credentials, Denied, Request, Target, TokenGate, Who};
use crate::capability::CapabilitySet;
use crate::code::{CloseReason, Code, Error};
use crate::config::{Config, Trust};
use crate::identity::NodeId;
use crate::link::LinkId;
use crate::machine::{Cx, Machine, injected};
use crate::time::{Instant, WallClock};
use crate::token::{Grant, IssuerHead, Issuers, Learnt, Right, SKEW_MS, Token};
use crate::wire::body::TokenShown;
use crate::wire::frame::{FrameHeader, FrameType};

/// How often everything is said again: a full queue may have dropped it.
const REPEAT_EVERY: Duration = Duration::from_secs(300);

/// What it is told.
#[derive(Debug)]
pub(crate) enum In {
    /// A session with this node can be used.
    Bind { link: LinkId, node: NodeId },
    /// A session is open because of this token alone.
    Member { link: LinkId, node: NodeId, grant: Box<Grant> },
    /// A session is gone.
    LinkLost { link: LinkId },
    /// This is the link to a neighbour from now on.
    LinkUp { link: LinkId },
    /// It is that no more.
    LinkDown { link: LinkId },
    /// A `TOKEN` or an `ISSUER_HEAD` arrived.
    Frame { link: LinkId, header: FrameHeader, body: Bytes },
    /// What time it is, in milliseconds since 1970-01-01T00:00:00Z.
    WallClock { unix_ms: u64 },
}

/// What it gives.
#[derive(Debug)]
pub(crate) enum Out {
    /// Send this.
    Transmit { link: LinkId, frame_type: FrameType, body: Bytes },
    /// This node introduces itself with this membership token from now on.
    Membership { token: Option<Bytes> },
    /// An issuer that is trusted has said this.
    Learnt { head: IssuerHead },
    /// The peer broke the rules, or is a member no more.
    Violation { link: LinkId, reason: CloseReason },
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Authority {
    config: Arc<Config>,
    /// Whether any rule asks what a node says of itself.
    asks_for_tags: bool,
    /// Whether any rule is about who serves.
    asks_who_serves: bool,
    wall: WallClock,
    issuers: Issuers,
    gate: TokenGate,
    /// Which node each session is with.
    sessions: BTreeMap<LinkId, NodeId>,
    peers: Peers,
    own: OwnTokens,
    heads: Heads,
    /// Sessions that are open because of a token, which is kept, and when the first of these tokens ends.
    members: BTreeMap<LinkId, (NodeId, Box<Grant>)>,
    members_at: Instant,
    /// What this node introduces itself with.
    membership: Option<Bytes>,
    repeat_at: Instant,
    /// When the time of one of this node's tokens comes.
    due_at: Instant,
    out: VecDeque<Out>,
}

impl Authority {
    pub(crate) fn new(config: Arc<Config>, own: NodeId) -> Self {
        let mut issuers = Issuers::default();
        for (issuer, generation_min) in config.issuers() {
            // `Config::check` has said so where there are too many.
            let trusted = issuers.trust(issuer, generation_min);
            debug_assert!(trusted.is_ok(), "a configuration is checked before an engine starts");
        }
        let is_tag = |who: &Who| matches!(who, Who::Tag(_));
        Self {
            asks_for_tags: config.access.policy.rules().iter().any(|rule| is_tag(&rule.who)),
            asks_who_serves: config.access.policy.asks_who_serves(),
            wall: WallClock::default(),
            issuers,
            gate: TokenGate::default(),
            sessions: BTreeMap::new(),
            peers: Peers::new(config.limits.remembered_peers_max),
            own: OwnTokens::new(own, &config.access.tokens),
            heads: Heads::default(),
            members: BTreeMap::new(),
            members_at: Instant::NEVER,
            membership: None,
            repeat_at: Instant::NEVER,
            due_at: Instant::NEVER,
            config,
            out: VecDeque::new(),
        }
    }

    /// What time it is, in milliseconds since 1970-01-01T00:00:00Z; 0 as long as nobody has said so, which is before every token.
    pub(crate) fn unix_ms(&self, now: Instant) -> u64 {
        self.wall.unix_ms(now)
    }

    /// The least generation of an issuer whose tokens are good here; `None` for one that is not trusted.
    pub(crate) fn generation_min(&self, issuer: &crate::identity::PublicKey) -> Option<u64> {
        self.issuers.generation_min(issuer)
    }

    /// Whether rules look at what a node says of itself.
    pub(crate) fn asks_for_tags(&self) -> bool {
        self.asks_for_tags
    }

    /// Whether it matters here who serves what.
    pub(crate) fn asks_who_serves(&self) -> bool {
        self.asks_who_serves
    }

    /// Whether another node may do something here, now.
    pub(crate) fn judge(
        &self,
        now: Instant,
        right: Right,
        target: Target<'_>,
        node: &NodeId,
        capabilities: Option<&CapabilitySet>,
    ) -> Result<(), Denied> {
        let policy = &self.config.access.policy;
        let nothing;
        // Where there are no rules it does not matter what anybody has shown.
        let shown = if policy.rules().is_empty() { None } else { self.peers.credentials(node) };
        let credentials = if let Some(shown) = shown {
            shown
        } else {
            nothing = Credentials::new(*node);
            &nothing
        };
        let holds_network_key = self.config.trust.network_key().is_some();
        let caller = Caller::Peer { holds_network_key, capabilities, credentials };
        let request = Request { right, target, network: self.config.network.as_str(), caller };
        policy.check(&request, &self.issuers, self.unix_ms(now))
    }

    /// Shows one token more, to every node that there is a session with or will be.
    pub(crate) fn add_token(&mut self, cx: &mut Cx<'_>, token: &Token) -> Result<(), Error> {
        let unix_ms = self.unix_ms(cx.now);
        let issuer = token.issuer();
        let heard =
            self.issuers.generation_min(&issuer).max(self.heads.get(&issuer).map(|head| head.generation));
        if heard.is_some_and(|generation_min| token.generation() < generation_min) {
            return Err(Error::new(Code::FailedPrecondition, "the issuer has taken the token back"));
        }
        if let Some(body) = self.own.add(token, unix_ms)? {
            self.show_everybody(&body);
        }
        self.wait_for_due(cx.now);
        self.repeat_from(cx.now);
        Ok(())
    }

    fn show_everybody(&mut self, body: &Bytes) {
        for link in self.sessions.keys() {
            let body = body.clone();
            self.out.push_back(Out::Transmit { link: *link, frame_type: FrameType::Token, body });
        }
    }

    /// Shows tokens whose time has come, and sees when that of the next one does.
    fn wait_for_due(&mut self, now: Instant) {
        let unix_ms = self.unix_ms(now);
        for body in self.own.come_due(unix_ms) {
            self.show_everybody(&body);
        }
        let membership = self.own.membership(self.config.network.as_str(), unix_ms);
        if membership != self.membership {
            self.membership.clone_from(&membership);
            self.out.push_back(Out::Membership { token: membership });
        }
        let wait = self.own.next_due().map(|due| Duration::from_millis(due.saturating_sub(unix_ms)));
        self.due_at = wait.map_or(Instant::NEVER, |wait| now + wait);
    }

    /// Takes in what an issuer says, by whatever way it came.
    pub(crate) fn learn(&mut self, cx: &mut Cx<'_>, head: &IssuerHead, from: Option<LinkId>) -> Learnt {
        if injected!(cx, "revocation-ignored") {
            return Learnt::Known;
        }
        let crypto = &*self.config.crypto;
        let known = self.issuers.head(&head.public_key).copied();
        let learnt = match self.issuers.learn(head, crypto) {
            Learnt::Unknown => {
                if self.heads.must_wait(cx.now, from, head) {
                    cx.count("authority.head_paced");
                    return Learnt::Unknown;
                }
                let learnt = self.heads.learn(head, from, crypto);
                self.heads.charge(cx.now, from, learnt);
                learnt
            }
            Learnt::Known if known != self.issuers.head(&head.public_key).copied() => Learnt::Newer,
            learnt => learnt,
        };
        match learnt {
            Learnt::Newer => {
                cx.count("authority.issuer_heard");
                self.own.drop_revoked(&head.public_key, head.generation);
                self.wait_for_due(cx.now);
                self.out.push_back(Out::Learnt { head: *head });
                // Whom strangers have taken something back from is no matter of this node's members.
                if self.issuers.generation_min(&head.public_key).is_some() {
                    self.check_members(cx);
                }
                self.tell_neighbours(head, from);
                self.repeat_from(cx.now);
            }
            Learnt::Older => {
                cx.mark("authority.head_is_old_news");
                let newer = self.issuers.head(&head.public_key).or_else(|| self.heads.get(&head.public_key));
                if let (Some(newer), Some(link)) = (newer.copied(), from) {
                    self.tell_head(link, &newer);
                }
            }
            // Who passes a head on has checked it.
            Learnt::BadSignature => cx.count("authority.head_forged"),
            Learnt::Known | Learnt::Unknown => {}
        }
        learnt
    }

    fn tell_neighbours(&mut self, head: &IssuerHead, but: Option<LinkId>) {
        let links: alloc::vec::Vec<LinkId> =
            self.heads.neighbours().filter(|link| Some(*link) != but).collect();
        for link in links {
            self.tell_head(link, head);
        }
    }

    fn tell_head(&mut self, link: LinkId, head: &IssuerHead) {
        let mut body = BytesMut::with_capacity(IssuerHead::LEN_MAX);
        head.encode(&mut body);
        let (frame_type, body) = (FrameType::IssuerHead, body.freeze());
        self.out.push_back(Out::Transmit { link, frame_type, body });
    }

    /// Tells a neighbour everything that issuers have said.
    fn tell_heads(&mut self, link: LinkId) {
        let heads: alloc::vec::Vec<IssuerHead> =
            self.issuers.heads().chain(self.heads.iter()).copied().collect();
        for head in heads {
            self.tell_head(link, &head);
        }
    }

    /// Shows a peer everything that this node has.
    fn show_all(&mut self, cx: &mut Cx<'_>, link: LinkId) {
        if injected!(cx, "tokens-unshown") {
            return;
        }
        let unix_ms = self.unix_ms(cx.now);
        for body in self.own.bodies(unix_ms) {
            self.out.push_back(Out::Transmit { link, frame_type: FrameType::Token, body });
        }
    }

    /// Sees to it that what is there is said again some time.
    fn repeat_from(&mut self, now: Instant) {
        let is_silent = self.own.is_empty() && self.issuers.heads().next().is_none() && self.heads.is_empty();
        if is_silent || self.sessions.is_empty() {
            self.repeat_at = Instant::NEVER;
        } else if self.repeat_at == Instant::NEVER {
            self.repeat_at = now + REPEAT_EVERY;
        }
    }

    fn bind(&mut self, cx: &mut Cx<'_>, link: LinkId, node: NodeId) {
        if self.sessions.insert(link, node).is_none() {
            self.peers.session_began(node);
        }
        self.show_all(cx, link);
        self.repeat_from(cx.now);
    }

    fn link_lost(&mut self, link: LinkId) {
        self.members.remove(&link);
        if let Some(node) = self.sessions.remove(&link) {
            self.peers.session_ended(&node);
        }
    }

    fn frame(
        &mut self,
        cx: &mut Cx<'_>,
        link: LinkId,
        frame_type: FrameType,
        body: &[u8],
    ) -> Result<(), CloseReason> {
        match frame_type {
            FrameType::Token => {
                let TokenShown { token } =
                    TokenShown::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
                self.shown(cx, link, token);
                Ok(())
            }
            FrameType::IssuerHead => {
                let head = IssuerHead::decode(body).map_err(|_| CloseReason::MalformedFrame)?;
                if !self.heads.is_neighbour(link) {
                    cx.mark("authority.head_of_no_neighbour");
                    return Ok(());
                }
                match self.learn(cx, &head, Some(link)) {
                    Learnt::BadSignature => Err(CloseReason::IdentityRejected),
                    _ => Ok(()),
                }
            }
            _ => Err(CloseReason::UnexpectedFrame),
        }
    }

    /// A peer shows a token. Whether it is any good is the peer's business: it learns that when it uses it.
    fn shown(&mut self, cx: &mut Cx<'_>, link: LinkId, token: &[u8]) {
        let Some(node) = self.sessions.get(&link).copied() else { return };
        let unix_ms = self.unix_ms(cx.now);
        let credentials = self.peers.credentials_mut(node);
        let result =
            credentials.show(token, cx.now, unix_ms, &self.issuers, &mut self.gate, &*self.config.crypto);
        match result {
            Ok(shown) if shown.known => cx.mark("authority.token_shown_again"),
            Ok(_) => cx.mark("authority.token_taken"),
            Err(error) if error.code() == Code::ResourceExhausted => {
                cx.count("authority.token_throttled");
            }
            Err(_) => cx.count("authority.token_refused"),
        }
    }

    /// Ends the sessions of those who are members no more. Whoever has shown another token in time stays.
    fn check_members(&mut self, cx: &mut Cx<'_>) {
        let unix_ms = self.unix_ms(cx.now);
        let (config, issuers, peers) = (&self.config, &self.issuers, &self.peers);
        let holds = |grant: &Grant| {
            let trusted =
                matches!(&config.trust, Trust::Tokens { issuers, .. } if issuers.contains(&grant.issuer));
            trusted
                && grant.makes_member_of(config.network.as_str())
                && grant.is_live(unix_ms)
                && issuers.accepts(&grant.issuer, grant.generation)
        };
        let mut next_end = None;
        for (link, (node, grant)) in &mut self.members {
            if !holds(grant) {
                let others = peers.credentials(node).into_iter().flat_map(Credentials::grants);
                let Some(other) = others.filter(|other| holds(other)).max_by_key(|other| other.until_unix_ms)
                else {
                    cx.count("authority.membership_over");
                    self.out.push_back(Out::Violation { link: *link, reason: CloseReason::Untrusted });
                    continue;
                };
                cx.mark("authority.membership_renewed");
                **grant = other.clone();
            }
            let end = grant.until_unix_ms.saturating_add(SKEW_MS);
            next_end = Some(next_end.map_or(end, |next: u64| next.min(end)));
        }
        let wait = next_end.map(|end| Duration::from_millis(end.saturating_sub(unix_ms)));
        self.members_at = wait.map_or(Instant::NEVER, |wait| cx.now + wait);
    }

    fn repeat(&mut self, cx: &mut Cx<'_>) {
        cx.mark("authority.repeated");
        let sessions: alloc::vec::Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in sessions {
            self.show_all(cx, link);
        }
        let neighbours: alloc::vec::Vec<LinkId> = self.heads.neighbours().collect();
        for link in neighbours {
            self.tell_heads(link);
        }
        self.repeat_at = Instant::NEVER;
        self.repeat_from(cx.now);
    }

    pub(crate) fn gauges(&self, mut gauge: impl FnMut(&'static str, usize, usize, bool)) {
        let limits = &self.config.limits;
        // Whoever has a session is kept in any case.
        let peers_max = limits.remembered_peers_max.max(limits.links_max + limits.tunnels_max);
        gauge("authority.peers", self.peers.len(), peers_max, false);
        gauge("authority.sessions", self.sessions.len(), limits.links_max + limits.tunnels_max, false);
        gauge("authority.members", self.members.len(), limits.links_max + limits.tunnels_max, false);
        gauge("authority.heads", self.heads.len(), heads::STRANGERS_MAX, false);
        gauge("authority.own_tokens", self.own.len(), crate::access::TOKENS_PER_SESSION_MAX, false);
        gauge("authority.debtors", self.gate.len(), crate::access::GATE_PEERS_MAX, false);
    }
}

impl Machine for Authority {
    type In = In;
    type Out = Out;

    fn handle(&mut self, cx: &mut Cx<'_>, input: In) {
        match input {
            In::Bind { link, node } => self.bind(cx, link, node),
            In::Member { link, node, grant } => {
                self.members.insert(link, (node, grant));
                self.check_members(cx);
            }
            In::LinkLost { link } => self.link_lost(link),
            In::LinkUp { link } => {
                self.heads.link_up(link);
                self.tell_heads(link);
            }
            In::LinkDown { link } => self.heads.link_down(link),
            In::Frame { link, header, body } => {
                if let Err(reason) = self.frame(cx, link, header.frame_type, &body) {
                    self.out.push_back(Out::Violation { link, reason });
                }
            }
            In::WallClock { unix_ms } => {
                self.wall.set(cx.now, unix_ms);
                self.wait_for_due(cx.now);
                self.check_members(cx);
            }
        }
    }

    fn poll(&mut self) -> Option<Out> {
        self.out.pop_front()
    }

    fn timeout(&self) -> Option<Instant> {
        Some(self.repeat_at.min(self.due_at).min(self.members_at)).filter(|at| *at < Instant::NEVER)
    }

    fn on_timeout(&mut self, cx: &mut Cx<'_>) {
        if self.due_at <= cx.now {
            self.wait_for_due(cx.now);
        }
        if self.members_at <= cx.now {
            self.check_members(cx);
        }
        if self.repeat_at <= cx.now {
            self.repeat(cx);
        }
    }
}
