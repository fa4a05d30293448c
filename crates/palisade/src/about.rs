//! What the program says of itself: version and making, completions, the manual page.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::args::Args;

/// `--version --verbose`: what somebody who reports a fault, or compares two binaries, needs.
pub(crate) fn text() -> String {
    let lines = [
        ("commit", env!("PALISADE_BUILT_COMMIT")),
        ("target", env!("PALISADE_BUILT_TARGET")),
        ("profile", env!("PALISADE_BUILT_PROFILE")),
        ("rustc", env!("PALISADE_BUILT_RUSTC")),
        ("msrv", env!("CARGO_PKG_RUST_VERSION")),
        ("features", "none to choose; SQLite, PostgreSQL, Redis, OTLP and aws-lc-rs are built in"),
    ];
    let mut text = format!("palisade {}", env!("CARGO_PKG_VERSION"));
    for (name, value) in lines {
        text.push_str(&format!("\n{name:<9} {value}"));
    }
    text
}

/// Completions for a shell, to stdout.
pub(crate) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Args::command(), "palisade", &mut std::io::stdout());
}

/// One page: what the program is, then each command with its options, as `--help` has them.
pub(crate) fn manual() -> std::io::Result<String> {
    let mut program = Args::command();
    program.build();
    let mut page = Vec::new();
    let whole = clap_mangen::Man::new(program.clone()).title("PALISADE").section("1");
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    commands(&program, &mut page)?;
    whole.render_extra_section(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The commands below one, each as a section of its own with its options.
fn commands(of: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for command in of.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        writeln!(page, ".SH {}", name.to_uppercase())?;
        let (man, mut section) = (clap_mangen::Man::new(command.clone()), Vec::new());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        man.render_extra_section(&mut section)?;
        // Below the command's own heading.
        page.extend(String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ").replacen(".SH ", ".SS ", 1).bytes());
        commands(command, page)?;
    }
    Ok(())
}
