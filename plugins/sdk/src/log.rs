//! Lines for the host's log: names and ids only, never field values.
//!
//! The host adds plugin, version, system and run, escapes control characters and caps length and
//! rate. Natively the lines go to `testing::logged`.

use crate::bindings::imports::renkei::plugin::log as import;

pub use import::Level;

/// For the plugin's author.
pub fn debug(message: &str, attributes: &[(&str, &str)]) {
    write(Level::Debug, message, attributes);
}

/// For an admin who looks closely.
pub fn info(message: &str, attributes: &[(&str, &str)]) {
    write(Level::Info, message, attributes);
}

/// Something is odd and was dealt with.
pub fn warn(message: &str, attributes: &[(&str, &str)]) {
    write(Level::Warn, message, attributes);
}

/// Something failed that a person should see, and the call's result does not say so.
pub fn error(message: &str, attributes: &[(&str, &str)]) {
    write(Level::Error, message, attributes);
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str, attributes: &[(&str, &str)]) {
    let attributes: Vec<(String, String)> =
        attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    import::write(level, message, &attributes);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str, attributes: &[(&str, &str)]) {
    #[cfg(feature = "testing")]
    crate::testing::record(level, message, attributes);
    #[cfg(not(feature = "testing"))]
    let _ = (level, message, attributes);
}
