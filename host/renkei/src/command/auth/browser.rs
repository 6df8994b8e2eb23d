//! Opens a page in the person's browser. A convenience: who has no browser here follows the printed
//! URL.

use std::process::Stdio;

use crate::config::secret_variables;

/// Starts the browser on `url`; true where something was started. The child gets none of the
/// program's secrets, neither as an argument nor in its environment.
pub(super) fn open(url: &str) -> bool {
    let secrets = secret_variables();
    open::commands(url).into_iter().any(|mut command| {
        for name in &secrets {
            command.env_remove(name);
        }
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().is_ok()
    })
}
