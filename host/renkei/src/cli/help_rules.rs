//! Rules of the help: short lines, an imperative first, examples that can be typed.

use clap::CommandFactory as _;

use super::*;

/// The most characters of the first line of a command's or an argument's help.
const LINE_MAX: usize = 70;

/// The verbs with which the help of a command or a flag begins. Each names an effect.
const VERBS: [&str; 29] = [
    "Answer", "Approve", "Compare", "Compile", "Create", "Declare", "Empty", "End", "Exit",
    "Explain", "Keep", "Leave", "Let", "Lift", "Link", "List", "Log", "Print", "Put", "Replace",
    "Require", "Rescan", "Roll", "Run", "Show", "Start", "Take", "Test", "Write",
];

/// Runs a check on a command and all below it.
fn check_each(command: &clap::Command, check: &mut impl FnMut(&clap::Command)) {
    check(command);
    for below in command.get_subcommands() {
        check_each(below, check);
    }
}

fn begins_with_a_verb(help: &str) -> bool {
    VERBS.contains(&help.split([' ', ',']).next().unwrap_or_default())
}

#[test]
fn help_of_a_command_is_one_short_line_that_begins_with_a_verb() {
    let mut findings = Vec::new();
    check_each(&Cli::command(), &mut |command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let is_program = command.get_name() == "renkei";
        if about.len() > LINE_MAX || !(is_program || begins_with_a_verb(&about)) {
            findings.push(format!("{}: {about}", command.get_name()));
        }
    });
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn help_of_an_argument_is_one_short_line_and_a_flag_begins_with_a_verb() {
    let mut findings = Vec::new();
    check_each(&Cli::command(), &mut |command| {
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let is_flag = !argument.get_action().takes_values();
            if help.len() > LINE_MAX || (is_flag && !begins_with_a_verb(&help)) {
                findings.push(format!("{} {}: {help}", command.get_name(), argument.get_id()));
            }
        }
    });
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn example_in_help_can_be_typed() {
    Cli::command().debug_assert();
    let mut found = Vec::new();
    check_each(&Cli::command(), &mut |command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Examples:"), "{}: {help}", command.get_name());
        let lines = help.lines().filter_map(|line| line.strip_prefix("  renkei "));
        let typed = lines.map(|line| line.split(" | ").next().unwrap().replace('\'', ""));
        found.extend(typed.map(|line| line.split("   ").next().unwrap().to_owned()));
    });
    assert!(found.len() > 30, "{found:?}");
    for example in found {
        let words = ["renkei"].into_iter().chain(example.split_whitespace());
        Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
    }
}
