//! Whose signatures plugins need: the table `[trust]`.
//!
//! ```toml
//! [trust]
//! signatures = "required"             # or "optional": a plugin may come without
//! keys = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", "/etc/op-dbus/keys/cosign.pub"]
//! minimum = 2                         # by so many different keys; 1 unless it is said
//! revoked = ["E7620F1842B4E81F"]      # keys, minisign's numbers of keys, or sha256:… of a cosign key
//! ```
//! A key is given by its text or by the absolute path of a file that only root and you can write to. What a name of a key or a comment says
//! counts for nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::guarded::is_guarded;
use crate::state_file::{Problem, Span};
use crate::trust::Trust;
use crate::trust::key::{Identity, Key};

/// No longer file is read as a key, in bytes.
const LONGEST_KEY: u64 = 16 << 10;

/// Whether plugins need signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Signatures {
    #[default]
    Optional,
    Required,
}

/// The table's own shape.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    signatures: Option<Spanned<Signatures>>,
    keys: Vec<Spanned<String>>,
    minimum: Option<Spanned<usize>>,
    revoked: Vec<Spanned<String>>,
}

impl Written {
    /// What it means. Files of keys are read here.
    pub(super) fn resolve(self) -> Result<Trust, Vec<Problem>> {
        let mut trust = Trust {
            required: self
                .signatures
                .as_ref()
                .is_some_and(|it| *it.get_ref() == Signatures::Required),
            minimum: self
                .minimum
                .as_ref()
                .map_or(1, |minimum| *minimum.get_ref()),
            ..Trust::default()
        };
        let mut problems = Vec::new();
        for written in &self.keys {
            match text(written.get_ref()).and_then(|text| Key::parse(&text)) {
                Ok(key) => trust.keys.push(key),
                Err(why) => problems.push(at(written, why)),
            }
        }
        for written in &self.revoked {
            match text(written.get_ref()) {
                Ok(text) => match (Key::parse(&text), text.parse::<Identity>()) {
                    // It is known from then on as one that does not count.
                    (Ok(key), _) => {
                        trust.revoked.push(key.identity());
                        trust.keys.push(key);
                    }
                    (Err(_), Ok(identity)) => trust.revoked.push(identity),
                    (Err(why), Err(_)) => problems.push(at(written, why).help(
                        "a key may also be revoked by minisign's number of it, or by sha256:… of a cosign key",
                    )),
                },
                Err(why) => problems.push(at(written, why)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let counting = trust.counting().len();
        if let Some(signatures) = self
            .signatures
            .as_ref()
            .filter(|_| trust.required && counting == 0)
        {
            problems.push(
                at(signatures, "no key is left that could sign a plugin")
                    .help("list at least one in `keys`"),
            );
        } else if let Some(minimum) = &self.minimum {
            if *minimum.get_ref() == 0 {
                problems.push(
                    at(minimum, "at least one signature is needed where any are")
                        .help("say signatures = \"optional\" where none is"),
                );
            } else if *minimum.get_ref() > counting {
                problems.push(at(
                    minimum,
                    format!(
                        "only {counting} of the keys count: no plugin could have so many signatures"
                    ),
                ));
            }
        }
        match problems.is_empty() {
            true => Ok(trust),
            false => Err(problems),
        }
    }
}

fn at<T>(written: &Spanned<T>, why: impl Into<String>) -> Problem {
    let span = written.span();
    Problem::at(Span::new(span.start, span.end), why)
}

/// The text of a key: what is written, or what the file holds that it names.
fn text(written: &str) -> Result<String, String> {
    // Base64 begins with a slash for no key of minisign's: those begin with RW.
    if !written.starts_with('/') {
        return Ok(written.to_owned());
    }
    let path = Path::new(written);
    let file = File::open(path).map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() || meta.len() > LONGEST_KEY {
        return Err(format!("{written} is no file with a key"));
    }
    if !is_guarded(&meta) {
        return Err(format!(
            "others than root and you can write to {written}; chown it, and chmod 644 it"
        ));
    }
    let mut text = String::new();
    file.take(LONGEST_KEY)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(text)
}
