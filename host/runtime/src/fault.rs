//! Whose fault a failed call is: the plugin's own, or not (issue 3: faults of the remote system or
//! the network never count against a plugin).
//!
//! Pure. A guest that was stopped is at fault, unless the host had reasons of its own
//! ([`StopCause::is_its_own`](renkei_sync::plugin::StopCause::is_its_own)).

use renkei_sync::plugin::PluginError;

use crate::reload::health::Unit;

/// What a call's result says of the plugin.
pub(crate) fn judge<T>(result: &Result<T, PluginError>) -> Unit {
    match result {
        Ok(_) => Unit::Good,
        Err(PluginError::Broken { cause, .. }) if cause.is_its_own() => Unit::Fault,
        Err(_) => Unit::Excused,
    }
}

#[cfg(test)]
mod tests {
    use renkei_sync::plugin::{Cap, Generation, StopCause};

    use super::*;

    #[test]
    fn only_what_the_plugin_does_counts() {
        let plugin = || Generation {
            plugin: "a".to_owned(),
            version: "1.0.0".to_owned(),
            digest: String::new(),
        };
        let broken = |cause: StopCause| {
            judge::<()>(&Err(PluginError::Broken {
                plugin: plugin(),
                cause,
                reason: String::new(),
            }))
        };
        for cause in [
            StopCause::Trap,
            StopCause::Limit(Cap::RunTime),
            StopCause::Limit(Cap::Memory),
            StopCause::Contract,
            StopCause::OwnFault,
        ] {
            assert_eq!(broken(cause), Unit::Fault, "{cause:?}");
        }
        for cause in [
            StopCause::Earlier,
            StopCause::Cancelled,
            StopCause::Limit(Cap::CallTime),
            StopCause::Limit(Cap::Places),
            StopCause::HostPanic,
        ] {
            assert_eq!(broken(cause), Unit::Excused, "{cause:?}");
        }
        let host = PluginError::Host { plugin: plugin(), reason: "no connection".to_owned() };
        let busy = PluginError::RetryAfter { plugin: plugin(), after_ms: 1 };
        assert_eq!(judge::<()>(&Err(host)), Unit::Excused);
        assert_eq!(judge::<()>(&Err(busy)), Unit::Excused);
        assert_eq!(judge(&Ok(())), Unit::Good);
    }
}
