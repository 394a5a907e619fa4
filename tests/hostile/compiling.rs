//! Components that are none, and components that are made to keep the compiler busy.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use op_dbus::digest::Digest;
use op_dbus::plugin::cache::Cache;
use op_dbus::plugin::compile::{Apart, CompileError};
use op_dbus::plugin::failure::PluginError;
use op_dbus::plugin::limits::Limits;
use op_dbus::plugin::loader::Plugin;

use crate::stage::{assert_error, limits, program};

fn compile(wasm: &[u8], limits: &Limits) -> Result<Vec<u8>, CompileError> {
    let apart = Apart {
        program: program(),
        limits,
    };
    apart.compile(wasm)
}

/// LEB128, unsigned.
fn number(mut value: usize, out: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut section = vec![id];
    number(content.len(), &mut section);
    section.extend(content);
    section
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A component around a module with one function, of this many multiplications.
fn enormous(multiplications: usize) -> Vec<u8> {
    let mut body = vec![0];
    body.extend([0x20, 0]);
    for _ in 0..multiplications {
        // local.get 0, i32.mul
        body.extend([0x20, 0, 0x6c]);
    }
    body.push(0x0b);
    let mut code = vec![1];
    number(body.len(), &mut code);
    code.extend(body);
    let mut module = MODULE.to_vec();
    module.extend(section(1, &[1, 0x60, 1, 0x7f, 1, 0x7f]));
    module.extend(section(3, &[1, 0]));
    module.extend(section(10, &code));
    let mut component = COMPONENT.to_vec();
    component.extend(section(1, &module));
    component
}

/// A component whose types are lists of lists, or pairs of pairs, so deep.
fn deep_types(depth: usize, pairs: bool) -> Vec<u8> {
    let mut types = Vec::new();
    number(depth + 1, &mut types);
    types.push(0x7d); // u8
    for below in 0..depth {
        match pairs {
            // A tuple of twice the type before.
            true => {
                types.extend([0x6f, 2]);
                number(below, &mut types);
                number(below, &mut types);
            }
            // A list of the type before.
            false => {
                types.push(0x70);
                number(below, &mut types);
            }
        }
    }
    let mut component = COMPONENT.to_vec();
    component.extend(section(7, &types));
    component
}

#[test]
fn what_is_malformed_truncated_or_no_component_is_refused() {
    let whole = test_guests::HOSTILE;
    let mut module = MODULE.to_vec();
    module.extend(section(1, &[1, 0x60, 0, 0]));
    let mut wrong: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\0asm".to_vec(),
        b"#!/bin/sh\n".to_vec(),
        module,
        b"(component)".to_vec(),
        [COMPONENT, b"\xff\xff\xff\xff\xff"].concat(),
    ];
    for part in 1..8 {
        wrong.push(whole[..whole.len() * part / 8].to_vec());
        let mut changed = whole.to_vec();
        let at = changed.len() * part / 8;
        changed[at..at + 64].fill(0xff);
        wrong.push(changed);
    }
    for wasm in wrong {
        let refused = compile(&wasm, &limits());
        // A byte that was changed may be one of a text; then it is another component.
        if wasm.len() != whole.len() {
            assert_error!(refused, CompileError::Refused(reason) if !reason.is_empty());
        } else if let Err(error) = refused {
            assert!(matches!(error, CompileError::Refused(_)), "{error:?}");
        }
    }
}

#[test]
fn a_false_version_of_the_contract_is_named() {
    let wasm = test_guests::FALSE_VERSION;
    let cache = Cache::new(None).compiled_by(program());
    let plugin = Plugin::compiled(
        "false",
        wasm,
        Digest::of(wasm),
        &cache,
        Default::default(),
        limits(),
    );
    assert_error!(
        plugin.map(drop),
        PluginError::Load { reason, .. } if reason.contains("9.9.0")
    );
}

#[test]
fn a_component_that_takes_for_ever_to_compile_is_given_up() {
    let limits = Limits {
        compile_deadline: Duration::from_secs(1),
        compile_memory: 16 << 30,
        ..limits()
    };
    let given_up = compile(&enormous(2_000_000), &limits);
    assert_error!(given_up, CompileError::Exceeded(reason) if reason.contains("`compile-deadline`"));
}

#[test]
fn a_plugin_that_cannot_be_compiled_in_time_is_named_with_the_limit() {
    let cache = Cache::new(None).compiled_by(program());
    let limits = Limits {
        compile_deadline: Duration::from_secs(1),
        ..limits()
    };
    let wasm = enormous(2_000_000);
    let plugin = Plugin::compiled(
        "large",
        &wasm,
        Digest::of(&wasm),
        &cache,
        Default::default(),
        limits,
    );
    assert_error!(plugin.map(drop), PluginError::Compile { plugin, .. } if plugin == "large");
}

#[test]
fn a_component_that_takes_all_memory_to_compile_is_given_up() {
    let limits = Limits {
        compile_memory: 512 << 20,
        ..limits()
    };
    let given_up = compile(&enormous(2_000_000), &limits);
    assert_error!(given_up, CompileError::Exceeded(reason) if reason.contains("`compile-memory`"));
}

#[test]
fn types_that_are_deep_or_double_at_each_step_are_refused() {
    for wasm in [deep_types(64, true), deep_types(100_000, false)] {
        let refused = compile(&wasm, &limits());
        assert_error!(refused, CompileError::Refused(_));
    }
}

/// A line of a file below `/proc`, of which this is the beginning.
fn line_of(pid: u32, file: &str, beginning: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(beginning))?;
    Some(line[beginning.len()..].trim().to_owned())
}

#[test]
fn the_compiler_has_no_privileges_no_files_no_sockets_and_little_memory() {
    let mut child = Command::new(program())
        .args([
            "plugin",
            "compile-child",
            "--memory",
            "1073741824",
            "--seconds",
            "60",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    // The last thing that it gives up before it reads.
    while line_of(pid, "status", "NoNewPrivs:").as_deref() != Some("1") {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    let memory = line_of(pid, "limits", "Max address space").unwrap();
    assert!(memory.starts_with("1073741824"), "{memory}");
    let files = line_of(pid, "limits", "Max open files").unwrap();
    assert!(files.starts_with("3 "), "{files}");
    let time = line_of(pid, "limits", "Max cpu time").unwrap();
    assert!(time.starts_with("60"), "{time}");
    if rustix::process::geteuid().is_root() {
        let users = line_of(pid, "status", "Uid:").unwrap();
        assert!(users.split_whitespace().all(|user| user != "0"), "{users}");
        let capabilities = line_of(pid, "status", "CapEff:").unwrap();
        assert!(
            capabilities.bytes().all(|digit| digit == b'0'),
            "{capabilities}"
        );
    }
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"no component")
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
