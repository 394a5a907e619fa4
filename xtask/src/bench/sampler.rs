//! Runs programs in networks of the bench's own and takes their figures.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Programs;
use super::case::Measure;
use super::profiles::NetworkManager;
use super::scenario::Scenario;
use super::switch::Switch;
use crate::command::output;

/// What a run cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Milliseconds from start to end.
    pub wall: f64,
    /// Milliseconds of CPU, the kernel's included.
    pub cpu: f64,
    /// Mebibytes of memory at the peak.
    pub peak: f64,
}

impl Sample {
    /// One of its figures.
    pub fn get(self, measure: Measure) -> f64 {
        match measure {
            Measure::Wall => self.wall,
            Measure::Cpu => self.cpu,
            Measure::Peak => self.peak,
        }
    }

    /// The median of each figure by itself.
    pub fn median(samples: &[Self]) -> Self {
        let median = |measure| {
            let mut figures: Vec<f64> = samples.iter().map(|sample| sample.get(measure)).collect();
            figures.sort_by(f64::total_cmp);
            let middle = figures.len() / 2;
            match figures.len() {
                0 => f64::NAN,
                length if length % 2 == 1 => figures[middle],
                _ => f64::midpoint(figures[middle - 1], figures[middle]),
            }
        };
        Self {
            wall: median(Measure::Wall),
            cpu: median(Measure::Cpu),
            peak: median(Measure::Peak),
        }
    }
}

/// A network namespace that is removed with this.
pub struct Network {
    name: String,
    manager: Option<NetworkManager>,
    switch: Option<Switch>,
}

impl Drop for Network {
    fn drop(&mut self) {
        // Before the namespace: their daemons would keep it.
        self.manager = None;
        self.switch = None;
        if let Err(error) = output(Command::new("ip").args(["netns", "delete", &self.name])) {
            eprintln!("xtask: {error:#}");
        }
    }
}

/// See the module.
pub struct Sampler {
    raw: String,
    directory: PathBuf,
    created: AtomicU32,
}

impl Sampler {
    /// With a directory for its files.
    pub fn new(programs: &Programs, directory: &Path) -> Result<Self> {
        let directory = directory.join("run");
        fs::create_dir_all(&directory)?;
        Ok(Self {
            raw: programs.raw.clone(),
            directory,
            created: AtomicU32::new(0),
        })
    }

    /// Makes a network.
    pub fn network(&self, scenario: &Scenario) -> Result<Network> {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("opdbus-bench-{}-{number}", process::id());
        output(Command::new("ip").args(["netns", "add", &name]))?;
        let mut network = Network {
            name,
            manager: None,
            switch: None,
        };
        if let Scenario::Profiles(count) = scenario {
            network.manager = Some(NetworkManager::start(&network.name, *count)?);
        }
        let batch = self.directory.join("scenario");
        fs::write(&batch, scenario.batch())?;
        let mut ip = Command::new("ip");
        output(ip.args(["-netns", &network.name, "-batch"]).arg(&batch))?;
        if let Scenario::OpenVswitch { .. } = scenario {
            let switch = Switch::start(self.directory.join("ovs"), &network.name)?;
            network.switch = Some(switch);
        }
        if let Some(arguments) = scenario.routes() {
            let command = [vec![self.raw.clone()], arguments].concat();
            self.run(&network, &command, Stdio::null())?;
        }
        Ok(network)
    }

    /// Runs programs one after the other; wall time and CPU add up, of the peaks the highest counts.
    /// The word `@` in an argument stands for the namespace's name, and `%` for a state directory
    /// that is empty at first; `%ovs` for the remote of the network's Open vSwitch.
    ///
    /// With a `phase`, not the wall time counts but what the program says of that phase: a line on stderr like
    /// `{"phase":"net diff","ms":1.5}`.
    pub fn run_all(
        &self,
        network: &Network,
        commands: &[Vec<String>],
        phase: Option<&str>,
    ) -> Result<Sample> {
        self.forget()?;
        let mut sum = Sample::default();
        let mut told = String::new();
        for command in commands {
            let (sample, words) = self.run(network, command, Stdio::null())?;
            told.push_str(&words);
            sum.wall += sample.wall;
            sum.cpu += sample.cpu;
            sum.peak = sum.peak.max(sample.peak);
        }
        if let Some(phase) = phase {
            sum.wall =
                phase_in(&told, phase).with_context(|| format!("nobody tells of {phase:?}"))?;
        }
        Ok(sum)
    }

    /// Runs programs and returns what they print on stdout.
    pub fn output(&self, network: &Network, commands: &[Vec<String>]) -> Result<String> {
        self.forget()?;
        let path = self.directory.join("output");
        let mut text = String::new();
        for command in commands {
            self.run(network, command, File::create(&path)?.into())?;
            text.push_str(&String::from_utf8_lossy(&fs::read(&path)?));
        }
        Ok(text)
    }

    /// Runs a program and returns what it prints on stderr.
    pub fn talk(&self, network: &Network, command: &[String]) -> Result<String> {
        self.forget()?;
        Ok(self.run(network, command, Stdio::null())?.1)
    }

    /// How many links, and addresses and routes of IPv4, there are, in words; with an Open vSwitch, which makes links when it likes, how many ports.
    pub fn census(&self, network: &Network) -> Result<String> {
        if let Some(switch) = &network.switch {
            let list = ["--db", &switch.remote(), "--no-wait", "list-ports", "br0"];
            let ports = output(Command::new("ovs-vsctl").args(list))?;
            return Ok(format!("{} ports", ports.lines().count()));
        }
        let words = self.output(network, &[vec![self.raw.clone(), "census".into()]])?;
        Ok(words.trim().to_owned())
    }

    /// Every run begins without checkpoints of others.
    fn forget(&self) -> Result<()> {
        let state = self.directory.join("state");
        if state.exists() {
            fs::remove_dir_all(&state)?;
        }
        Ok(())
    }

    fn run(
        &self,
        network: &Network,
        command: &[String],
        stdout: Stdio,
    ) -> Result<(Sample, String)> {
        let report = self.directory.join("report");
        let command: Vec<String> = command
            .iter()
            .map(|word| match word.as_str() {
                "@" => network.name.clone(),
                "%ovs" => network
                    .switch
                    .as_ref()
                    .map(Switch::remote)
                    .unwrap_or_default(),
                "%" => self.directory.join("state").display().to_string(),
                _ => word.clone(),
            })
            .collect();
        let mut raw = Command::new(&self.raw);
        if let Some(manager) = &network.manager {
            raw.env("DBUS_SYSTEM_BUS_ADDRESS", manager.address());
        }
        let run = raw
            .args(["measure", &network.name])
            .arg(&report)
            .args(&command)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .output()
            .context("cannot start raw")?;
        let words = String::from_utf8_lossy(&run.stderr);
        if !run.status.success() {
            bail!("cannot run {}: {}", command.join(" "), words.trim());
        }
        let text = fs::read_to_string(&report)?;
        let numbers: Vec<f64> = text
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [wall, cpu, peak, code] = numbers[..] else {
            bail!("raw reported {text:?}")
        };
        // `op-dbus diff` says with 2 that there are differences.
        let expected = if command.iter().any(|word| word == "diff") {
            2.0
        } else {
            0.0
        };
        if code != expected {
            bail!("exit code {code}: {}: {}", command.join(" "), words.trim());
        }
        Ok((
            Sample {
                wall: wall / 1e6,
                cpu: cpu / 1e3,
                peak: peak / 1024.0,
            },
            words.into_owned(),
        ))
    }
}

/// Milliseconds of a phase, all lines of that name together.
fn phase_in(words: &str, phase: &str) -> Option<f64> {
    let lines = words
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let figures = lines
        .filter(|line| line["phase"] == phase)
        .filter_map(|line| line["ms"].as_f64());
    figures.reduce(|sum, ms| sum + ms)
}

#[cfg(test)]
mod tests {
    use super::{Sample, phase_in};

    fn walls(walls: &[f64]) -> Vec<Sample> {
        walls
            .iter()
            .map(|&wall| Sample {
                wall,
                ..Sample::default()
            })
            .collect()
    }

    #[test]
    fn one_slow_run_does_not_move_the_median() {
        assert_eq!(
            Sample::median(&walls(&[5.0, 900.0, 7.0, 6.0, 5.5])).wall,
            6.0
        );
    }

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_the_middle_two() {
        assert_eq!(Sample::median(&walls(&[4.0, 1.0, 2.0, 3.0])).wall, 2.5);
    }

    #[test]
    fn a_phase_that_is_told_of_twice_adds_up() {
        let words = "warning: x\n{\"phase\":\"a\",\"ms\":1.5}\n{\"phase\":\"b\",\"ms\":9}\n{\"phase\":\"a\",\"ms\":2}\n";
        assert_eq!(phase_in(words, "a"), Some(3.5));
        assert_eq!(phase_in(words, "c"), None);
    }
}
