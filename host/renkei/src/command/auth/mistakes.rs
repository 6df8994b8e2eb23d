//! Mistakes that all commands of `renkei auth` tell.

use renkei_runtime::TokenStoreError;

use crate::command_error::CommandError;
use crate::config::{Config, SystemLogin};

/// The system of this name, or the mistake that there is none.
pub(super) fn find_system(config: &Config, name: &str) -> Result<SystemLogin, CommandError> {
    let known = config.logins();
    let names = known.iter().map(|system| system.name.as_str()).collect::<Vec<_>>().join(", ");
    known.into_iter().find(|system| system.name == name).ok_or_else(|| {
        let error = CommandError::usage(format!("renkei.toml has no system {name}"));
        error.hint(format!("its systems are {names}"))
    })
}

/// A failure of the file of refresh tokens.
pub(super) fn of_store(error: TokenStoreError) -> CommandError {
    let next = "make the file and its directory readable and writable for this user alone";
    CommandError::usage(error).hint(next)
}
