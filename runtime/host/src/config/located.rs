//! Where an error of the configuration comes from.

use std::path::{Path, PathBuf};

use figment::Source;

use super::{ConfigError, FILE};

/// Where an error of figment's comes from, down to the line.
pub(super) fn located(e: &figment::Error) -> ConfigError {
    let key = match &e.kind {
        figment::error::Kind::UnknownField(field, _) => field.clone(),
        _ => e.path.last().cloned().unwrap_or_default(),
    };
    let full = match &e.kind {
        // The path ends in the unknown key or before it, as it happens.
        figment::error::Kind::UnknownField(..) if e.path.last() != Some(&key) => {
            [&e.path[..], &[key.clone()][..]].concat().join(".")
        }
        _ => e.path.join("."),
    };
    let file = e.metadata.as_ref().and_then(|it| match &it.source {
        Some(Source::File(path)) => Some(path.clone()),
        _ => None,
    });
    // Figment forgets where an unknown key came from: look where it can be.
    let file = file.or_else(|| {
        let usual = PathBuf::from(FILE);
        let unknown = matches!(e.kind, figment::error::Kind::UnknownField(..));
        (unknown && line_of(&usual, &full).is_some()).then_some(usual)
    });
    let place = match file {
        Some(path) => match line_of(&path, &full) {
            Some(line) => format!("{}:{line}: `{full}`", path.display()),
            None if full.is_empty() => path.display().to_string(),
            None => format!("{}: `{full}`", path.display()),
        },
        None => {
            let from = e.metadata.as_ref().map(|it| it.name.to_string());
            match from.filter(|name| name.contains("environment")) {
                Some(_) => format!("LOVAGE_{}", full.to_uppercase().replace('.', "__")),
                None => format!("`{full}`"),
            }
        }
    };
    ConfigError {
        place,
        // Serde puts its own backticks around those of a field.
        problem: e.kind.to_string().replace("``", "`"),
    }
}

/// The line on which a TOML file sets a key, counted from 1.
fn line_of(path: &Path, key: &str) -> Option<usize> {
    let text = std::fs::read_to_string(path).ok()?;
    let (mut section, mut number) = (String::new(), 0);
    for line in text.lines() {
        number += 1;
        let line = line.trim();
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next())
        {
            section = format!("{}.", header.trim());
        } else if let Some((name, _)) = line.split_once('=')
            && format!("{section}{}", name.trim().trim_matches('"')) == key
        {
            return Some(number);
        }
    }
    None
}
