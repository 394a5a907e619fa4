//! The plugin's `diff` as native code, for the bench: what does the sandbox cost?
//!
//! `native-diff CURRENT DESIRED` reads an answer of `op-dbus query --json` and a state file, does what the host lets the component do with
//! the section `net` (text in, steps as text out), and says on standard error how long that took, as `op-dbus --timings` does.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use op_dbus_net::{Net, section::Section};
use op_dbus_plugin::{Failure, Plugin};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct StateFile {
    plugins: BTreeMap<String, Box<RawValue>>,
}

/// The text of the section `net`.
fn section(path: &str) -> Result<String, Box<dyn Error>> {
    let file: StateFile = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let section = file.plugins.get("net").ok_or("no section net")?;
    Ok(section.get().to_owned())
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [current, desired] = &paths[..] else {
        return Err("use: native-diff CURRENT DESIRED".into());
    };
    let (current, desired) = (section(current)?, section(desired)?);

    let started = Instant::now();
    let steps = {
        let current: Section = serde_json::from_str(&current)?;
        let desired: Section = serde_json::from_str(&desired)?;
        Net::diff(&current, &desired).map_err(|failure: Failure| failure.message)?
    };
    let ms = started.elapsed().as_secs_f64() * 1e3;

    eprintln!("{{\"phase\":\"net diff\",\"ms\":{ms:.3}}}");
    println!("{} steps", steps.len());
    Ok(())
}
