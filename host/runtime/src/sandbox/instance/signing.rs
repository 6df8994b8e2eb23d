//! Keyed hashes over secrets that the guest cannot see (`wit/v0.2/http.wit`, interface `signing`),
//! in constant time.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The further secrets of a system by name.
pub(crate) type SigningSecrets = BTreeMap<String, SecretString>;

/// The way in which a message is hashed with a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SigningAlgorithm {
    HmacSha256,
    /// SHA-256 over the secret followed by the message.
    Sha256Prefixed,
}

/// True where `expected` is the hash of `message` under the secret `name`; an unknown secret
/// compares as false.
pub(crate) fn verify(
    secrets: &SigningSecrets,
    name: &str,
    algorithm: SigningAlgorithm,
    message: &[u8],
    expected: &[u8],
) -> bool {
    let Some(secret) = secrets.get(name) else { return false };
    let secret = secret.expose_secret().as_bytes();
    match algorithm {
        SigningAlgorithm::HmacSha256 => Hmac::<Sha256>::new_from_slice(secret)
            .is_ok_and(|hmac| hmac.chain_update(message).verify_slice(expected).is_ok()),
        SigningAlgorithm::Sha256Prefixed => {
            let hash = Sha256::new().chain_update(secret).chain_update(message).finalize();
            hash.as_slice().ct_eq(expected).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, algorithm: SigningAlgorithm, message: &str, expected: &str, fits: bool) {
        let secrets = SigningSecrets::from([("key".to_owned(), SecretString::from("Jefe"))]);
        let expected = hex::decode(expected).unwrap();
        assert_eq!(verify(&secrets, name, algorithm, message.as_bytes(), &expected), fits);
    }

    #[test]
    fn signatures_match_known_answers() {
        // RFC 4231, test case 2.
        let hmac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let message = "what do ya want for nothing?";
        check("key", SigningAlgorithm::HmacSha256, message, hmac, true);
        check("key", SigningAlgorithm::HmacSha256, "what else", hmac, false);
        check("other", SigningAlgorithm::HmacSha256, message, hmac, false);
        check("key", SigningAlgorithm::HmacSha256, message, hmac.split_at(2).1, false);
        check("key", SigningAlgorithm::Sha256Prefixed, message, hmac, false);
        let plain = hex::encode(Sha256::digest("Jefeabc"));
        check("key", SigningAlgorithm::Sha256Prefixed, "abc", &plain, true);
    }

    /// A million inputs: what a guest hands in for a webhook.
    #[test]
    fn no_message_makes_the_verifier_panic() {
        let secrets = SigningSecrets::from([("key".to_owned(), SecretString::from("Jefe"))]);
        let hash = hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let seed = [b"what do ya want for nothing?".to_vec(), hash.unwrap()].concat();
        renkei_mutate::run(&[seed], |bytes| {
            let (message, expected) = bytes.split_at(bytes.len().saturating_sub(32));
            for algorithm in [SigningAlgorithm::HmacSha256, SigningAlgorithm::Sha256Prefixed] {
                let fits = verify(&secrets, "key", algorithm, message, expected);
                assert!(!fits || message == b"what do ya want for nothing?");
            }
        });
    }
}
