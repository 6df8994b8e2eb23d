//! Guards the only way out of a connector.
//!
//! A connector is code of a stranger that works with a company's credentials. It may want to send
//! data elsewhere, to read the credentials, to reach the company's own network, or to use up the
//! account's quota. So a guest names a slot, a method and a path below the slot's base URL, and the
//! host does everything else; `SECURITY.md` lists each threat with its rule and its test.
//!
//! ```text
//! JobEgress::send              job_egress     one job, under the manifest of its generation
//!   policy, method_override    pure           path below its base, headers plain, one method?
//!   Allowlist::check           allowlist      may this method, host and path be reached?
//!   RequestRun::run            send           attempts, redirects, renewals, repeats
//!     SlotCredentials          credentials    tokens (token), their renewal, the header
//!     PlacedCredential         fixed_credentials   keys in a header, query or body
//!     QuotaGate::acquire       quota          wait until the account's quotas allow a call
//!     HttpClient::exchange     client         resolver, circuit_breaker, decode
//!     redirect, retry          pure           where next, when again
//!   Redactor                   redact         take secrets out of the answer
//! EgressAudit                  audit          count and log what is refused or unusual
//! ```
//!
//! [`SystemEgress`] holds what all jobs of one system share: the HTTP client, quotas, credentials
//! and counters. This crate knows nothing of WebAssembly.

mod allowlist;
mod anomaly;
mod audit;
mod call_evidence;
mod circuit_breaker;
mod client;
mod credentials;
mod decode;
pub mod escape;
mod fixed_credentials;
mod http;
mod job_egress;
mod limits;
mod login;
mod method_override;
mod paused_systems;
mod policy;
mod public_address;
mod quota;
mod redact;
mod redirect;
mod refusal;
mod resolver;
mod retry;
mod secret_header;
mod send;
mod slot;
mod system;
mod system_egress;
mod token;
mod token_faults;
mod traffic;

pub use anomaly::TARGET_BYTES_USUAL;
pub use call_evidence::CallEvidence;
pub use http::{HttpRequest, HttpResponse, SendError};
pub use job_egress::JobEgress;
pub use limits::{DECODED_BYTES_MAX, WIRE_BYTES_MAX};
pub use login::{Login, LoginError};
pub use paused_systems::{PausedSystem, UnopenedSystem, paused_systems};
pub use quota::{QuotaClaim, QuotaGate};
pub use refusal::{EgressRefusal, RedirectFault, RefusalCounts, RefusalReason};
pub use resolver::{Dial, LookUp, NetworkOverrides};
pub use system::{AuthOptions, NoTokens, SystemAuth, SystemConfig, TokenStore, TokenStoreError};
pub use system_egress::SystemEgress;
pub use traffic::Traffic;
