//! The interfaces of WASI 0.2 that a plugin may list among its imports.
//!
//! Runtimes of scripting languages list far more than they use: CPython lists sockets, and
//! StarlingMonkey `wasi:http/types`. A listed interface therefore gives nothing. `renkei-runtime`
//! decides what works: clocks, random numbers, output to the log, an empty environment and an empty
//! file system. A call of anything else ends the guest with an error that names it. Sockets and
//! `wasi:http` never work. An import that is not listed here is refused before anything is
//! compiled.

/// The namespace of everything here.
pub(crate) const NAMESPACE: &str = "wasi";

/// Interfaces without their versions.
const OFFERED: [&str; 28] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// True for an import of a listed interface in a version 0.2, such as
/// `wasi:clocks/wall-clock@0.2.9`.
pub(crate) fn is_offered(import: &str) -> bool {
    let Some((interface, version)) = import.split_once('@') else { return false };
    let version = semver::Version::parse(version);
    let fits = version.is_ok_and(|version| (version.major, version.minor) == (0, 2));
    fits && OFFERED.contains(&interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_wasi_interfaces_of_version_0_2_are_accepted() {
        for import in ["wasi:clocks/wall-clock@0.2.0", "wasi:sockets/tcp-create-socket@0.2.12"] {
            assert!(is_offered(import), "{import}");
        }
        for import in [
            "wasi:clocks/wall-clock",
            "wasi:clocks/wall-clock@0.3.0",
            "wasi:clocks/wall-clock@0.2",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:keyvalue/store@0.2.0",
            "acme:clocks/wall-clock@0.2.0",
        ] {
            assert!(!is_offered(import), "{import}");
        }
    }
}
