//! The manifest of a connector and of a transform, as an author writes them. A test replaces what
//! it is about.

/// A connector of version 1.0.0 with two quotas, one object, one setting and one secret.
pub fn connector(id: &str) -> String {
    CONNECTOR.replace("ID", id)
}

/// A transform of version 1.0.0 with the functions `same` (two-way) and `once` (one-way).
pub fn transform(id: &str) -> String {
    TRANSFORM.replace("ID", id)
}

/// The same keys as the JSON object that a plugin file embeds.
pub fn to_json(manifest: &str) -> String {
    let keys: serde_json::Value = toml::from_str(manifest).expect("the manifest is TOML");
    keys.to_string()
}

const CONNECTOR: &str = r#"
id = "ID"
title = "ID"
publisher = "renkei"
kind = "connector"
contract = "0.2"
version = "1.0.0"

[[connection]]
slot = "primary"
base_url = "https://api.example.com"
base_url_field = "instance_url"
allow = ["https://api.example.com", "https://*.pods.example.com"]
auth = ["bearer", "header", "oauth2-refresh-token", "oauth2-client-credentials"]
token_path = "/token"
refused_status = [401]

[[quota]]
name = "all"
calls = 100
per_ms = 10000

[[quota]]
name = "search"
calls = 2
per_ms = 1000

[limits]
concurrent_requests = 4

[retry]
quota_status = [429]
transient_status = [503]

[[object]]
name = "things"
actions = ["create", "update", "archive"]
read_rows = 100
write_rows = 100

[[setting]]
name = "depth"
kind = "integer"
default = 1
help = "Nothing."

[[secret]]
name = "client_secret"
help = "Signs webhooks."
"#;

const TRANSFORM: &str = r#"
id = "ID"
title = "ID"
publisher = "renkei"
kind = "transform"
contract = "0.2"
version = "1.0.0"

[[function]]
name = "same"
shape = "two-way"
input = ["a", "b"]
output = ["a", "b"]
help = "Gives back what it gets."

[[function]]
name = "once"
shape = "one-way"
input = ["a"]
output = ["a"]
help = "Gives back what it gets, one way."
"#;
