use clap::{Command as Spec, CommandFactory as _};

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn json_is_short_for_the_format() {
    let parse = |args: &[&str]| Args::try_parse_from(args).expect("args").format();
    assert_eq!(parse(&["palisade", "advise", "--matrix", "--json"]), Some(Format::Json));
    assert_eq!(parse(&["palisade", "--format", "json", "advise", "--matrix"]), Some(Format::Json));
    assert_eq!(parse(&["palisade", "advise", "GET", "/"]), Some(Format::Human));
    assert_eq!(parse(&["palisade", "advise", "GET", "/", "--format", "sarif"]), None);
}

#[test]
fn every_command_shows_examples_and_each_is_a_command_line() {
    let mut seen = 0;
    each(&Args::command(), &mut |command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = help.lines().filter(|line| line.starts_with("  palisade ")).collect();
        let leaf = command.get_subcommands().next().is_none();
        // An assistant starts `mcp`, by the file that its help shows.
        assert!(!leaf || !examples.is_empty() || command.get_name() == "mcp", "{} has no example", command.get_name());
        for line in examples {
            let words = words(line);
            if let Err(error) = Args::try_parse_from(&words) {
                panic!("{}: {line}\n{words:?}\n{error}", command.get_name());
            }
            seen += 1;
        }
    });
    assert!(seen > 80, "{seen} examples");
}

fn each(command: &Spec, look: &mut impl FnMut(&Spec)) {
    look(command);
    command.get_subcommands().for_each(|command| each(command, look));
}

/// The words of an example, up to its explanation or to where the shell takes over.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.trim_start().chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => match letters.peek() {
                Some(' ' | '>' | '|' | '&') | None => break,
                Some(_) => words.push(String::new()),
            },
            _ => words.last_mut().expect("a word").push(letter),
        }
    }
    words
}
