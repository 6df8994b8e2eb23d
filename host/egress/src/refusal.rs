//! Refusals of the way out, each kind by name (`SECURITY.md` E12).
//!
//! The guest learns of a refusal, it counts by its [`RefusalReason`], and it leaves one line for
//! the audit. The texts are for the guest that caused them and may repeat what it said. The audit
//! and the counters get only the reason's fixed name, so that neither values nor a flood of labels
//! reach them.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use crate::limits::{
    ANSWER_HEADER_BYTES_MAX, ANSWER_HEADERS_MAX, DECODED_BYTES_MAX, RATIO_MAX, REDIRECTS_MAX,
    WIRE_BYTES_MAX,
};
use crate::public_address::NotPublic;

/// The reason why a request is not sent, or its answer not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressRefusal {
    #[error("the manifest declares no slot `{0}`")]
    Slot(String),
    #[error("the manifest declares no quota `{0}`")]
    Quota(String),
    #[error("{0}")]
    Path(&'static str),
    #[error("{0} is not among the paths that the manifest asks for and the admin allows")]
    Ungranted(String),
    #[error(
        "the header `{0}` is the host's: some server takes it for credentials, for another place, \
         or for a part of the connection. Leave it out"
    )]
    HostHeader(String),
    #[error(
        "the header `{0}` replaces the method on some servers. Send the method itself, and ask for \
         it in `methods` of the manifest"
    )]
    OverrideHeader(String),
    #[error(
        "the parameter or field `{0}` is the host's: it carries credentials of this slot. Leave it \
         out"
    )]
    HostParameter(String),
    #[error(
        "the host writes credentials into the body, and this body is no JSON object and no form. \
         Send one with its `content-type`"
    )]
    CredentialBody,
    #[error("{0}")]
    Header(&'static str),
    #[error("{0} is not among the methods that the manifest asks for and the admin allows")]
    Method(String),
    #[error(
        "the query or the body names the method `{0}` (a parameter such as `_method`), which is not \
         among the methods that the manifest asks for and the admin allows. Send that method, or \
         leave the parameter out"
    )]
    NamedMethod(String),
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
    #[error(
        "not sent: the answers of these requests are larger together than {DECODED_BYTES_MAX} bytes"
    )]
    AnswersTogether,
    #[error("no answer was read in this call")]
    NothingRead,
    #[error("the answer has an encoding that nobody asked for")]
    Encoding,
    #[error("the answer is encoded more than once")]
    NestedEncoding,
    #[error("the answer's body did not end in time")]
    Deadline,
}

/// The fault of a redirect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectFault {
    #[error("more than {REDIRECTS_MAX} in a row")]
    TooMany,
    #[error("from `https` to `http`")]
    Downgrade,
    #[error("it leads to no URL")]
    NoUrl,
    #[error("it takes credentials of this slot to another host")]
    Credentials,
    #[error("{0}")]
    Place(Box<EgressRefusal>),
}

impl EgressRefusal {
    /// The reason by which it is counted.
    pub fn reason(&self) -> RefusalReason {
        match self {
            Self::Slot(_) => RefusalReason::Slot,
            Self::Quota(_) | Self::NothingRead => RefusalReason::Quota,
            Self::Path(_) | Self::Ungranted(_) | Self::HostParameter(_) | Self::CredentialBody => {
                RefusalReason::Path
            }
            Self::HostHeader(_) | Self::OverrideHeader(_) | Self::Header(_) => {
                RefusalReason::Header
            }
            Self::Method(_) | Self::NamedMethod(_) => RefusalReason::Method,
            Self::Origin(_) => RefusalReason::Origin,
            Self::Address { .. } => RefusalReason::Address,
            Self::Redirect { .. } => RefusalReason::Redirect,
            Self::WireBytes => RefusalReason::WireBytes,
            Self::DecodedBytes | Self::AnswersTogether => RefusalReason::DecodedBytes,
            Self::Ratio => RefusalReason::Ratio,
            Self::AnswerHeaders => RefusalReason::AnswerHeaders,
            Self::Encoding | Self::NestedEncoding => RefusalReason::Encoding,
            Self::Deadline => RefusalReason::Deadline,
        }
    }

    /// True where it came after sending, so that the guest really waited.
    pub fn is_of_answer(&self) -> bool {
        !matches!(
            self.reason(),
            RefusalReason::Slot
                | RefusalReason::Quota
                | RefusalReason::Path
                | RefusalReason::Header
                | RefusalReason::Method
                | RefusalReason::Origin
                | RefusalReason::Address
        )
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Kinds of refusals, as counted in [`crate::Traffic`] and named in the audit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum RefusalReason {
            $($(#[$doc])* $variant,)*
        }

        impl RefusalReason {
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
    /// A method that was not asked for or is not allowed, or is named beside the request's own.
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

/// The number of kinds.
pub(crate) const REASONS: usize = RefusalReason::ALL.len();

/// Refusals by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusalCounts(pub(crate) [u64; REASONS]);

impl RefusalCounts {
    /// The refusals for this reason.
    pub fn count(&self, reason: RefusalReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// The refusals for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// As a map from a reason's name to its count.
impl Serialize for RefusalCounts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(REASONS))?;
        for reason in RefusalReason::ALL {
            map.serialize_entry(reason.name(), &self.count(*reason))?;
        }
        map.end()
    }
}
