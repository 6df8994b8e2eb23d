//! Making what the calls of a vendor come to: replies, hints and subscriptions.

use crate::Attributes;
use crate::connector::{Hint, Hook, Reply, Subscription};

impl Hook {
    /// The first header of this name, whatever its capitals.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.as_str())
    }
}

impl Hint {
    /// A record to read again, with the event in the sender's words.
    pub fn new(object: impl Into<String>, id: impl Into<String>, what: impl Into<String>) -> Self {
        let (object, id, what) = (object.into(), id.into(), what.into());
        Self { object, id, what, facts: Attributes::new() }
    }
}

impl Reply {
    /// A reply with this status and no body.
    pub fn new(status: u16, hints: Vec<Hint>) -> Self {
        Self { status, body: Vec::new(), hints, facts: Attributes::new() }
    }
}

impl Subscription {
    /// A subscription that lasts until it is ended. The token finds it again; at most 1,024 bytes,
    /// no secret.
    pub fn new(token: impl Into<String>) -> Self {
        Self { token: token.into(), expires: None, facts: Attributes::new() }
    }

    /// It ends by itself at this time, ms since 1970, unless it is renewed.
    #[must_use]
    pub fn expires(mut self, at_ms: i64) -> Self {
        self.expires = Some(at_ms);
        self
    }
}
