//! The compiler's side alone, for tests of this crate: what `renkei compile-plugin` is in the
//! program.

use std::process::ExitCode;

fn main() -> ExitCode {
    renkei_runtime::compile_as_child(std::env::args_os()).unwrap_or(ExitCode::FAILURE)
}
