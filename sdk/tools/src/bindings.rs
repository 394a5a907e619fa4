//! `op-dbus-sdk bindings`: the contract as source code, for languages whose compilers know nothing of components.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};

/// Arguments of the verb.
#[derive(clap::Args)]
pub struct Bindings {
    /// Language of the bindings
    #[arg(value_enum)]
    lang: Language,
    #[command(flatten)]
    contract: Contract,
    /// Go: the module that the plugin is
    #[arg(long, value_name = "NAME", required_if_eq("lang", "go"))]
    module: Option<String>,
    /// Directory to write to, relative to the project's
    #[arg(long, value_name = "DIR", default_value = "bindings")]
    out: PathBuf,
}

/// A language that bindings are made for. Rust, Python and JavaScript have tools of their own that do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    C,
    Go,
}

/// The world that a plugin is built for.
#[derive(Clone, Debug, clap::Args)]
pub struct Contract {
    /// Directory with the contract
    #[arg(long, value_name = "DIR", default_value = "wit")]
    wit: PathBuf,
    /// World of the contract that the plugin is built for, such as netlink-plugin
    #[arg(long, value_name = "WORLD")]
    world: Option<String>,
}

impl Contract {
    /// The name of the world, where one was named.
    pub fn world(&self) -> Option<&str> {
        self.world.as_deref()
    }

    /// Reads the contract.
    ///
    /// # Errors
    /// The directory has none, or not this world.
    pub fn resolve(&self) -> anyhow::Result<(Resolve, WorldId)> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(&self.wit).with_context(|| {
            format!(
                "{} has no contract; name its directory with --wit",
                self.wit.display()
            )
        })?;
        let worlds = &resolve.packages[package].worlds;
        let found = self.world().and_then(|name| worlds.get(name)).copied();
        let Some(world) = found else {
            let names: Vec<&str> = worlds.keys().map(String::as_str).collect();
            bail!(
                "name a world of the contract with --world: {}",
                names.join(", ")
            );
        };
        Ok((resolve, world))
    }
}

impl Bindings {
    /// Writes them.
    ///
    /// # Errors
    /// The contract cannot be read, or a file not be written.
    pub fn run(&self) -> anyhow::Result<()> {
        let (mut resolve, world) = self.contract.resolve()?;
        let mut files = Files::default();
        self.generator()?
            .generate(&mut resolve, world, &mut files)
            .context("the contract has something that bindings cannot say")?;
        for (name, text) in files.iter() {
            write(&self.out.join(name), text)?;
        }
        Ok(())
    }

    fn generator(&self) -> anyhow::Result<Box<dyn WorldGenerator>> {
        Ok(match self.lang {
            Language::C => wit_bindgen_c::Opts::default().build(),
            Language::Go => {
                let module = self
                    .module
                    .clone()
                    .context("--module names the plugin's module")?;
                let place = self.out.to_str().context("--out is not UTF-8")?;
                wit_bindgen_go::Opts {
                    // The compiler takes it as it is.
                    format: wit_bindgen_go::Format::False,
                    pkg_name: Some(format!("{module}/{place}")),
                    export_pkg_name: Some(module),
                    ..Default::default()
                }
                .build()
            }
        })
    }
}

/// Writes a file, with the directories that it lies in.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}
