//! Panics as lines of the log. WebAssembly itself tells the host only that the guest stopped.

/// Writes each panic as one line of the log, `panicked at FILE:LINE:COLUMN: MESSAGE`, which the
/// host repeats in the error of the call. The first call counts.
#[cfg(target_family = "wasm")]
pub(crate) fn report() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("no message");
            crate::log::error(&format!("panicked at {place}: {message}"), &[]);
        }));
    });
}

/// Natively a test shows its panics.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn report() {}
