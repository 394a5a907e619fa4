//! Credentials for registries, as `docker login` and `podman login` leave them.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Looks for a name and password for a registry. Helpers that would have to be run are not.
///
/// # Errors
/// When a file with credentials is there and cannot be used.
pub fn of(registry: &str) -> Result<Option<String>, String> {
    for path in candidates() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let file: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if let Some(found) = within(&file, registry) {
            return Ok(Some(found));
        }
        let helper = file["credHelpers"][registry].as_str();
        if let Some(helper) = helper {
            tracing::warn!(
                "{} names docker-credential-{helper} for {registry}, which op-dbus does not run",
                path.display()
            );
        }
    }
    Ok(None)
}

fn candidates() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let in_home = || Some(variable("HOME")?.join(".docker/config.json"));
    let docker = variable("DOCKER_CONFIG").map(|directory| directory.join("config.json"));
    let files = [variable("REGISTRY_AUTH_FILE"), docker.or_else(in_home)];
    files.into_iter().flatten().collect()
}

/// `NAME:PASSWORD` for the registry.
fn within(file: &Value, registry: &str) -> Option<String> {
    let auth = file["auths"][registry]["auth"].as_str()?;
    let decoded = STANDARD.decode(auth).ok()?;
    String::from_utf8(decoded)
        .ok()
        .filter(|it| it.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_registry_are_found() {
        let file =
            serde_json::json!({"auths": {"a.example": {"auth": STANDARD.encode("name:word")}}});
        assert_eq!(within(&file, "a.example").as_deref(), Some("name:word"));
        assert_eq!(within(&file, "b.example"), None);
        assert_eq!(within(&Value::Null, "a.example"), None);
    }
}
