//! What the way out refuses, each kind by name: told to the guest, counted by [`Reason`], and left
//! as one line for the audit (TRUST.md 2.5, 2.6).
//!
//! The texts are for the guest that caused them and may repeat what it said. The audit and the
//! counters get only the reason's fixed name, so that neither values nor a flood of labels reach
//! them.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::addresses::NotPublic;
use super::decode::{DECODED_BYTES_MAX, RATIO_MAX, WIRE_BYTES_MAX};

/// The most headers of an answer.
pub(crate) const ANSWER_HEADERS_MAX: usize = 200;
/// The most bytes in an answer's header names and values.
pub(crate) const ANSWER_HEADER_BYTES_MAX: usize = 64 << 10;

/// Why a request is not sent, or its answer not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    #[error("the manifest declares no slot `{0}`")]
    Slot(String),
    #[error("the manifest declares no quota `{0}`")]
    Quota(String),
    #[error("{0}")]
    Path(&'static str),
    #[error("{0} is not among the paths that the manifest asks for and the admin allows")]
    Ungranted(String),
    #[error("the header `{0}` is the host's")]
    HostHeader(String),
    #[error("{0}")]
    Header(&'static str),
    #[error("{0} is not among the methods that the manifest asks for and the admin allows")]
    Method(String),
    #[error("{0} is not on the plugin's allow-list")]
    Origin(String),
    #[error("the address of {host} is {fault}")]
    Address { host: String, fault: NotPublic },
    /// `unsure`: the request was sent and may have been carried out.
    #[error("a redirect was refused: {fault}")]
    Redirect { fault: RedirectFault, unsure: bool },
    #[error("the answer is larger than {WIRE_BYTES_MAX} bytes on the wire")]
    WireBytes,
    #[error("the answer is larger than {DECODED_BYTES_MAX} bytes when decoded")]
    DecodedBytes,
    #[error("the answer decodes to more than {RATIO_MAX} times its size")]
    Ratio,
    #[error(
        "the answer has more than {ANSWER_HEADERS_MAX} headers \
         or {ANSWER_HEADER_BYTES_MAX} bytes of them"
    )]
    AnswerHeaders,
    #[error("the answer has an encoding that nobody asked for")]
    Encoding,
    #[error("the answer is encoded more than once")]
    NestedEncoding,
    #[error("the answer's body did not end in time")]
    Deadline,
}

/// What is wrong with a redirect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RedirectFault {
    #[error("more than {} in a row", super::redirect::REDIRECTS_MAX)]
    TooMany,
    #[error("from `https` to `http`")]
    Downgrade,
    #[error("it leads to no URL")]
    NoUrl,
    #[error("{0}")]
    Place(Box<Refusal>),
}

impl Refusal {
    /// What it is counted as.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Slot(_) => Reason::Slot,
            Self::Quota(_) => Reason::Quota,
            Self::Path(_) | Self::Ungranted(_) => Reason::Path,
            Self::HostHeader(_) | Self::Header(_) => Reason::Header,
            Self::Method(_) => Reason::Method,
            Self::Origin(_) => Reason::Origin,
            Self::Address { .. } => Reason::Address,
            Self::Redirect { .. } => Reason::Redirect,
            Self::WireBytes => Reason::WireBytes,
            Self::DecodedBytes => Reason::DecodedBytes,
            Self::Ratio => Reason::Ratio,
            Self::AnswerHeaders => Reason::AnswerHeaders,
            Self::Encoding | Self::NestedEncoding => Reason::Encoding,
            Self::Deadline => Reason::Deadline,
        }
    }

    /// Whether it came after sending, so that the guest really waited.
    pub(crate) fn is_of_answer(&self) -> bool {
        !matches!(
            self.reason(),
            Reason::Slot
                | Reason::Quota
                | Reason::Path
                | Reason::Header
                | Reason::Method
                | Reason::Origin
                | Reason::Address
        )
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Kinds of refusals, as counted in [`crate::Traffic`] and named in the audit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All of them, in the order of their counters.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its fixed name, such as `wire-bytes`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// A slot that the manifest does not declare.
    Slot = "slot",
    /// A quota that the manifest does not declare.
    Quota = "quota",
    /// A path that leaves its base, has forbidden characters, was not asked for or is not allowed.
    Path = "path",
    /// A header that only the host sets, or that is no plain text.
    Header = "header",
    /// A method that was not asked for or is not allowed.
    Method = "method",
    /// A host that is not on the list.
    Origin = "origin",
    /// An address that is not public.
    Address = "address",
    /// A redirect to a refused place, to plain HTTP, or the sixth in a row.
    Redirect = "redirect",
    /// An answer that is too large as it comes.
    WireBytes = "wire-bytes",
    /// An answer that is too large when decoded.
    DecodedBytes = "decoded-bytes",
    /// An answer that grows too much when decoded.
    Ratio = "ratio",
    /// Too many headers in an answer, or too large ones.
    AnswerHeaders = "answer-headers",
    /// An encoding that was not offered, or several.
    Encoding = "encoding",
    /// A body that comes too slowly.
    Deadline = "deadline",
}

/// How many kinds there are.
pub(crate) const REASONS: usize = Reason::ALL.len();

/// Refusals by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused(pub(crate) [u64; REASONS]);

impl Refused {
    /// How often something was refused for this reason.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How often anything was refused.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As a map from a reason's name to its count.
impl Serialize for Refused {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(REASONS))?;
        for reason in Reason::ALL {
            map.serialize_entry(reason.name(), &self.of(*reason))?;
        }
        map.end()
    }
}
