//! `cargo xtask VERB`: everything about this repository that is more than one cargo command.
//!
//! # Layout
//! - `command`: runs programs, echoes them, finds the workspace and its target directory.
//! - `prerequisites/`: what a verb needs on the machine, how to look for it and how to install it.
//! - `sandbox`: becomes root of a private namespace where the user is not root.
//! - One module for each verb.

mod bench;
mod command;
mod demo;
mod dist;
mod languages;
mod prerequisites;
mod release_wit;
mod sandbox;
mod schema;
mod test;
mod vm;

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail, ensure};
use prerequisites::Prerequisite;

struct Verb {
    name: &'static str,
    argument: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const VERBS: [Verb; 11] = [
    Verb {
        name: "setup",
        argument: "",
        about: "install everything that the verbs below need",
        run: |arguments| none(arguments).and_then(|()| prerequisites::ensure(&Prerequisite::ALL)),
    },
    Verb {
        name: "demo",
        argument: "",
        about: "change a network and take it back, in a namespace of its own",
        run: |arguments| none(arguments).and_then(|()| demo::run()),
    },
    Verb {
        name: "test",
        argument: "",
        about: "formatting, lints, documentation, all tests, and those on a full kernel",
        run: |arguments| none(arguments).and_then(|()| test::run()),
    },
    Verb {
        name: "languages",
        argument: "[LANGUAGE]",
        about: "plugins in Rust, C, Python, JavaScript and Go, as op-dbus plugin new makes them",
        run: |arguments| {
            ensure!(arguments.len() <= 1, "languages takes at most one language");
            languages::run_verb(arguments.first().map(String::as_str))
        },
    },
    Verb {
        name: "vm-test",
        argument: "[FILTER]",
        about: "whole-system tests on a full Debian kernel in a virtual machine",
        run: |arguments| {
            ensure!(arguments.len() <= 1, "vm-test takes at most one filter");
            let filter = arguments.first().map(String::as_str);
            vm::run(filter, &mut std::io::stdout(), &AtomicBool::new(false))
        },
    },
    Verb {
        name: "bench",
        argument: "[FILTER]",
        about: "op-dbus side by side with its peers and with the limit",
        run: |arguments| {
            ensure!(arguments.len() <= 1, "bench takes at most one filter");
            bench::run(arguments.first().map(String::as_str))
        },
    },
    Verb {
        name: "dist",
        argument: "",
        about: "a release binary with its plugins compiled ahead",
        run: |arguments| none(arguments).and_then(|()| dist::run()),
    },
    Verb {
        name: "schema",
        argument: "",
        about: "accept schemas and expected outputs as they are produced now",
        run: |arguments| none(arguments).and_then(|()| schema::run()),
    },
    Verb {
        name: "reference",
        argument: "",
        about: "write sdk/reference/ from the comments in wit/",
        run: |arguments| none(arguments).and_then(|()| languages::reference()),
    },
    Verb {
        name: "release-wit",
        argument: "",
        about: "freeze the contract in wit/ as the version that it names",
        run: |arguments| none(arguments).and_then(|()| release_wit::run()),
    },
    Verb {
        name: "fmt",
        argument: "",
        about: "format all Rust sources",
        run: |arguments| {
            none(arguments).and_then(|()| command::run(command::cargo().args(["fmt", "--all"])))
        },
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked_for_help = arguments
        .iter()
        .any(|argument| argument == "-h" || argument == "--help")
        || arguments.first().is_some_and(|verb| verb == "help");
    // Asked for or not, where nothing else is said.
    let Some((name, rest)) = arguments.split_first().filter(|_| !asked_for_help) else {
        print!("{}", help());
        return if asked_for_help {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(64)
        };
    };
    let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else {
        eprint!("xtask: there is no verb {name:?}\n\n{}", help());
        return ExitCode::from(64);
    };
    match (verb.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn none(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("unexpected argument {argument:?}");
    }
    Ok(())
}

fn help() -> String {
    let mut text = String::from("cargo xtask VERB\n\n");
    for Verb {
        name,
        argument,
        about,
        ..
    } in &VERBS
    {
        let usage = format!("{name} {argument}");
        text.push_str(&format!("  {usage:<21} {about}\n"));
    }
    text.push_str("\nEvery verb first installs what it needs itself, or says how to.\n");
    text
}
