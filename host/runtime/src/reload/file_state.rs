//! One file of the plugin folder, as the task knows it.
//!
//! Two questions are asked of a file, and each has one answer at a time: what its present bytes
//! are ([`ContentState`]), and what becomes of the last good plugin in it ([`ClaimState`]). A file
//! whose present bytes are garbage may well serve: with the last good ones.

use std::sync::Arc;

use crate::lifecycle::decide::WaitReason;
use crate::sandbox::generation::PluginGeneration;

/// One file of the plugin folder.
#[derive(Default)]
pub(super) struct FileState {
    pub(super) content: ContentState,
    pub(super) claim: ClaimState,
    /// The last good plugin in it.
    pub(super) last_good: Option<Arc<PluginGeneration>>,
    /// The digest of it that served last.
    pub(super) served_digest: Option<String>,
    /// The time at which the file was first missed, ms since 1970.
    pub(super) missing_since_ms: Option<i64>,
    /// The version that served before a restart was looked for.
    pub(super) is_recalled: bool,
}

/// The present bytes of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum ContentState {
    /// Nothing was decided of them yet.
    #[default]
    Unread,
    /// They are a plugin.
    Good {
        /// Their SHA-256, hex.
        digest: String,
    },
    /// They are not taken.
    Rejected {
        /// Their SHA-256, hex; none where they were not read or are to be tried again.
        digest: Option<String>,
        /// For people.
        reason: String,
        /// The next step.
        hint: Option<String>,
        /// The same bytes may be taken another time.
        may_pass: bool,
    },
}

impl ContentState {
    /// The digest of the bytes that were decided of.
    pub(super) fn digest(&self) -> Option<&String> {
        match self {
            Self::Unread => None,
            Self::Good { digest } => Some(digest),
            Self::Rejected { digest, .. } => digest.as_ref(),
        }
    }

    /// The reason why they are not taken.
    pub(super) fn fault(&self) -> Option<&String> {
        match self {
            Self::Rejected { reason, .. } => Some(reason),
            Self::Unread | Self::Good { .. } => None,
        }
    }

    /// True where bytes with this digest need not be loaded again.
    pub(super) fn is_decided(&self, digest: &String) -> bool {
        let may_pass = matches!(self, Self::Rejected { may_pass: true, .. });
        self.digest() == Some(digest) && !may_pass
    }

    /// Rejected bytes are not tried again by themselves.
    pub(super) fn end_retry(&mut self) {
        if let Self::Rejected { may_pass, .. } = self {
            *may_pass = false;
        }
    }

    /// Forgets the digest of rejected bytes, so that they are loaded again; returns it.
    pub(super) fn retry(&mut self) -> Option<String> {
        match self {
            Self::Rejected { digest, .. } => digest.take(),
            Self::Unread | Self::Good { .. } => None,
        }
    }
}

/// The claim of a file to be a plugin.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// It is no plugin, or nothing was decided yet.
    #[default]
    Unclaimed,
    /// It is the plugin, and its last good version serves or did at the last look.
    Serves {
        /// The plugin.
        id: String,
    },
    /// It is the plugin, and its last good version waits.
    Waits {
        /// The plugin.
        id: String,
        /// The version that waits.
        digest: String,
        /// Why.
        reason: WaitReason,
    },
    /// Another file is the plugin, or may be.
    Clashes {
        /// For people.
        reason: String,
        /// The next step.
        hint: String,
    },
}

impl ClaimState {
    /// The plugin that the file is.
    pub(super) fn id(&self) -> Option<&String> {
        match self {
            Self::Serves { id } | Self::Waits { id, .. } => Some(id),
            Self::Unclaimed | Self::Clashes { .. } => None,
        }
    }

    /// The reason why another file is the plugin.
    pub(super) fn clash(&self) -> Option<&String> {
        match self {
            Self::Clashes { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The reason why the last good version waits.
    pub(super) fn wait(&self) -> Option<&WaitReason> {
        match self {
            Self::Waits { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

impl FileState {
    /// The id of the last good plugin in it.
    pub(super) fn plugin_id(&self) -> Option<&String> {
        self.last_good.as_ref().map(|plugin| &plugin.generation.plugin)
    }

    /// The reason why the file as it is now does not serve.
    pub(super) fn fault(&self) -> Option<&String> {
        self.content.fault().or_else(|| self.claim.clash())
    }

    /// The next step where the file as it is now does not serve.
    pub(super) fn hint(&self) -> Option<&String> {
        match (&self.content, &self.claim) {
            (ContentState::Rejected { hint, .. }, _) => hint.as_ref(),
            (_, ClaimState::Clashes { hint, .. }) => Some(hint),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejected_content_is_loaded_again_where_it_may_pass_or_is_retried() {
        let digest = "d".to_owned();
        let rejected = |may_pass| ContentState::Rejected {
            digest: Some(digest.clone()),
            reason: "no memory".to_owned(),
            hint: None,
            may_pass,
        };
        assert!(!ContentState::Unread.is_decided(&digest));
        assert!(ContentState::Good { digest: digest.clone() }.is_decided(&digest));
        assert!(rejected(false).is_decided(&digest));
        let mut content = rejected(true);
        assert!(!content.is_decided(&digest));
        content.end_retry();
        assert!(content.is_decided(&digest));
        assert_eq!(content.retry(), Some(digest.clone()));
        assert!(!content.is_decided(&digest));
        assert_eq!(content.fault().map(String::as_str), Some("no memory"));
    }
}
