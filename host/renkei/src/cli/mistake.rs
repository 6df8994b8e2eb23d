//! A command line that is none, in the parts that every failure has.

use clap::error::ErrorKind;

use crate::command_error::CommandError;

/// The failure for what clap refused: its first paragraph, its tips, the usage, and where more is.
pub(crate) fn mistake(error: &clap::Error) -> CommandError {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let mut failure = CommandError::usage(match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
        _ => one_line(first.strip_prefix("error: ").unwrap_or(first)),
    });
    let mut command = "renkei".to_owned();
    for paragraph in paragraphs {
        if let Some(usage) = paragraph.trim().strip_prefix("Usage: ") {
            let words = usage.split_whitespace();
            let words: Vec<_> =
                words.take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
            command = words.join(" ");
            failure = failure.hint(format!("usage: {}", one_line(usage)));
        } else {
            for tip in paragraph.lines().filter_map(|line| line.trim().strip_prefix("tip: ")) {
                failure = failure.hint(tip);
            }
        }
    }
    failure.hint(format!("`{command} --help` shows the arguments and examples"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn check(typed: &str, error: &str, hints: &[&str]) {
        let refused = Cli::try_parse_from(typed.split(' ')).unwrap_err();
        let report = mistake(&refused).report();
        let said: Vec<String> = report.hint.unwrap().lines().map(str::to_owned).collect();
        assert_eq!(
            (report.error.as_str(), said),
            (error, hints.iter().map(|h| (*h).to_owned()).collect())
        );
    }

    #[test]
    fn mistake_has_its_next_step() {
        check(
            "renkei sync --bogus",
            "unexpected argument '--bogus' found",
            &[
                "usage: renkei sync [OPTIONS]",
                "`renkei sync --help` shows the arguments and examples",
            ],
        );
        check(
            "renkei sinc",
            "unrecognized subcommand 'sinc'",
            &[
                "some similar subcommands exist: 'sim', 'sync'",
                "usage: renkei [OPTIONS] <COMMAND>",
                "`renkei --help` shows the arguments and examples",
            ],
        );
        check(
            "renkei plugin inspect",
            "the following required arguments were not provided: <FILE>",
            &[
                "usage: renkei plugin inspect <FILE>",
                "`renkei plugin inspect --help` shows the arguments and examples",
            ],
        );
        check(
            "renkei plugin",
            "no command is given",
            &[
                "usage: renkei plugin [OPTIONS] <COMMAND>",
                "`renkei plugin --help` shows the arguments and examples",
            ],
        );
    }
}
