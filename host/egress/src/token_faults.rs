//! The refusals of token endpoints that need an admin of the vendor's account: each error code and
//! description that we know, with its cause and the next step. Pure.
//!
//! The description itself is never told on, because a server may put anything into it.

/// The cause and the next step of a refusal, where its description is a known one.
pub(crate) fn explain(description: &str) -> Option<&'static str> {
    let description = description.to_ascii_lowercase();
    let known = KNOWN.iter().find(|(words, _)| description.contains(words));
    known.map(|(_, text)| *text)
}

/// Words of a description in lower case; cause and next step.
const KNOWN: &[(&str, &str)] = &[
    // Salesforce.
    (
        "app must be installed into org",
        "the connected app is not installed in this org, so an admin installs it, or makes an \
         external client app",
    ),
    (
        "external client app is not installed in this org",
        "the app belongs to another org, or this is another login host: compare `base_url` and \
         `token_url` with the org's My Domain",
    ),
    ("this app is blocked by admin", "an admin of the org has blocked the app and must unblock it"),
    (
        "user is not admin approved to access this app",
        "the app's policy lets in only assigned users: an admin gives the user a permission set or \
         profile of the app",
    ),
    (
        "user hasn't approved this consumer",
        "nobody has consented yet: run `renkei auth login`, or let an admin pre-authorize the user",
    ),
    (
        "no client credentials user enabled",
        "the app's client credentials flow has no user to run as: set `Run As` on the app's policies",
    ),
    (
        "request not supported on this domain",
        "client credentials are taken at the org's My Domain only: set `base_url` to it",
    ),
    ("inactive user", "the user of this login is inactive in the org"),
    (
        "expired access/refresh token",
        "the refresh token was revoked or ran out: run `renkei auth login`",
    ),
    ("invalid code verifier", "the code was issued for another login"),
    ("expired authorization code", "the code ran out before it was exchanged"),
    // HubSpot.
    (
        "missing or unknown refresh token",
        "the app was removed from the account, or its token was replaced: run `renkei auth login`",
    ),
    ("missing or unknown auth code", "the code ran out, was used before, or is another app's"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_description_has_a_next_step_and_another_one_is_not_repeated() {
        for (words, text) in KNOWN {
            assert_eq!(explain(&format!("Sorry: {}!", words.to_uppercase())), Some(*text));
        }
        assert_eq!(explain("your token is pat-na1"), None);
    }
}
