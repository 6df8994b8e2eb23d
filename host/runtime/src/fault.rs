//! Whose fault a failed call is: the plugin's own, or not (issue 3: faults of the remote system or
//! the network never count against a plugin).
//!
//! Pure. A guest that was stopped is at fault, unless it was the host that stopped it for reasons
//! of its own: a call that was cancelled, a pool without room, a panic of ours, or a call whose
//! time passed while others kept it waiting (its own time in the code is another limit).

use renkei_sync::plugin::PluginError;

use crate::reload::health::Unit;

/// How the reasons begin for which a guest is not to blame; `instance.rs` and `connector.rs` say
/// them.
const NOT_ITS_OWN: [&str; 5] = [
    "no place for an instance",
    "an earlier call was cancelled",
    "earlier in this job: ",
    "its call took longer than",
    "the host panicked",
];

/// What wasmtime says when there is no room for another instance.
const NO_ROOM: &str = "maximum concurrent";

/// What a call's result says of the plugin.
pub(crate) fn judge<T>(result: &Result<T, PluginError>) -> Unit {
    match result {
        Ok(_) => Unit::Good,
        Err(PluginError::Broken { reason, .. }) if is_its_own(reason) => Unit::Fault,
        Err(_) => Unit::Excused,
    }
}

fn is_its_own(reason: &str) -> bool {
    !NOT_ITS_OWN.iter().any(|other| reason.starts_with(other)) && !reason.contains(NO_ROOM)
}

#[cfg(test)]
mod tests {
    use renkei_sync::plugin::Generation;

    use super::*;

    #[test]
    fn only_what_the_plugin_does_counts() {
        let plugin = || Generation {
            plugin: "a".to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
        };
        let broken = |reason: &str| {
            judge::<()>(&Err(PluginError::Broken { plugin: plugin(), reason: reason.to_owned() }))
        };
        for reason in [
            "it trapped (a panic in the plugin)",
            "it ran longer than its limit of 500 ms",
            "it wanted more than its memory limit of 64 MiB",
            "it broke the contract: row 1 has no id",
            "it found a fault of its own: no such column",
        ] {
            assert_eq!(broken(reason), Unit::Fault, "{reason}");
        }
        for reason in [
            "earlier in this job: it trapped",
            "an earlier call was cancelled",
            "its call took longer than 900000 ms",
            "it trapped: maximum concurrent limit of 256 for component instances reached",
            "the host panicked underneath it; this is a fault of Renkei",
        ] {
            assert_eq!(broken(reason), Unit::Excused, "{reason}");
        }
        let host = PluginError::Host { plugin: plugin(), reason: "no connection".to_owned() };
        let busy = PluginError::RetryAfter { plugin: plugin(), after_ms: 1 };
        assert_eq!(judge::<()>(&Err(host)), Unit::Excused);
        assert_eq!(judge::<()>(&Err(busy)), Unit::Excused);
        assert_eq!(judge(&Ok(())), Unit::Good);
    }
}
