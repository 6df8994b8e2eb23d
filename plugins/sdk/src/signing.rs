//! Keyed hashes over secrets that the plugin cannot see: how a webhook's signature is checked.

use crate::bindings::imports::renkei::plugin::signing as import;

pub use import::Algorithm;

/// Compares `expected` with the keyed hash of `message` under the secret that the manifest names
/// `secret`, in constant time. `expected` is the raw hash, so decode hex or base64 first. An
/// unknown secret compares as false.
#[cfg(target_family = "wasm")]
pub fn verify(secret: &str, algorithm: Algorithm, message: &[u8], expected: &[u8]) -> bool {
    import::verify(secret, &algorithm, message, expected)
}

/// As in the host, over the secrets of `testing::with_secret`.
#[cfg(not(target_family = "wasm"))]
pub fn verify(secret: &str, algorithm: Algorithm, message: &[u8], expected: &[u8]) -> bool {
    #[cfg(feature = "testing")]
    return crate::testing::verify(secret, algorithm, message, expected);
    #[cfg(not(feature = "testing"))]
    {
        let _ = (secret, algorithm, message, expected);
        false
    }
}
