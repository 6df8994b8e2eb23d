//! Orders that wait for loads.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::lifecycle::admin::{AdminError, PluginAnswer, PluginRequest};

/// The longest wait for loads of an admin's order that needs none of them to end, so that what
/// is quick is in the answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(3);

/// An order that waits for loads.
pub(super) enum DeferredOrder {
    Look(oneshot::Sender<()>),
    Admin {
        request: PluginRequest,
        reply: oneshot::Sender<Result<PluginAnswer, AdminError>>,
        since: Instant,
    },
}

impl DeferredOrder {
    pub(super) fn look(done: oneshot::Sender<()>) -> Self {
        Self::Look(done)
    }

    pub(super) fn admin(
        request: PluginRequest,
        reply: oneshot::Sender<Result<PluginAnswer, AdminError>>,
    ) -> Self {
        Self::Admin { request, reply, since: Instant::now() }
    }

    /// The time at which it is done although loads go on.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Look(_) | Self::Admin { request: PluginRequest::Reload(_), .. } => None,
            Self::Admin { since, .. } => since.checked_add(ANSWER_WAIT_MAX),
        }
    }
}

/// Returns when the first order is due although loads go on; never where there is none.
pub(super) fn until(deferred: &[DeferredOrder]) -> impl Future<Output = ()> + use<> {
    let due = deferred.iter().filter_map(DeferredOrder::due).min();
    async move {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}
