//! The conventions, executed: each failure names the culprit.

use std::fs;
use std::path::{Path, PathBuf};

use shared::contract::CATALOGUE;
use shared::contract::topic::TOPICS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// Files below a folder with this ending, as paths from the root and their texts.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), ending, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let name = path
                .strip_prefix(&root)
                .expect("below the root")
                .display()
                .to_string();
            (name, fs::read_to_string(&path).expect("text"))
        })
        .collect()
}

fn rust() -> Vec<(String, String)> {
    ["services", "shared", "deploy/cli", "tests"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

/// Code without comments and without its unit tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[track_caller]
fn nobody(what: &str, culprits: &[String]) {
    assert!(culprits.is_empty(), "{what}:\n{}", culprits.join("\n"));
}

#[test]
fn every_schema_is_in_the_catalogue_under_its_own_name() {
    let schemas = files("schemas", ".avsc");
    for (file, text) in &schemas {
        let schema: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let name = schema["name"].as_str().expect("a name");
        let facts = CATALOGUE.iter().find(|facts| facts.event_type == name);
        let facts = facts.unwrap_or_else(|| panic!("{file}: {name} has no facts in contract/"));
        assert_eq!(
            facts.text, text,
            "{file} is not the text that {name} carries"
        );
        let folder = file.split('/').nth(1).expect("a folder");
        assert_eq!(
            schema["namespace"],
            format!("ticketrail.{folder}"),
            "{file}"
        );
    }
    assert_eq!(schemas.len(), CATALOGUE.len());
}

#[test]
fn topics_are_named_in_one_place() {
    let culprits: Vec<_> = rust()
        .iter()
        .filter(|(file, _)| file.starts_with("services") || file.starts_with("shared"))
        .filter(|(file, _)| file != "shared/src/contract/topic.rs")
        .filter(|(_, text)| {
            TOPICS
                .iter()
                .any(|(topic, _)| code(text).contains(&format!("\"{}\"", topic.0)))
        })
        .map(|(file, _)| file.clone())
        .collect();
    nobody("a topic's name stands outside contract/topic.rs", &culprits);
}

#[test]
fn sql_lives_in_stores_and_transactions_in_the_rail() {
    let of_services: Vec<_> = rust()
        .into_iter()
        .filter(|(file, _)| file.starts_with("services") || file.starts_with("shared/examples"))
        .filter(|(file, _)| !file.contains("/tests/"))
        .collect();
    let sql: Vec<_> = of_services
        .iter()
        .filter(|(file, text)| {
            let store = file.ends_with("/store.rs") || file.contains("/store/");
            !store && code(text).contains("sqlx::query")
        })
        .map(|(file, _)| file.clone())
        .collect();
    nobody("SQL stands outside a store", &sql);
    let transactions: Vec<_> = of_services
        .iter()
        // A search index commits, too; that is no transaction of ours.
        .filter(|(_, text)| code(text).contains("sqlx"))
        .filter(|(_, text)| code(text).contains(".begin()") || code(text).contains(".commit()"))
        .map(|(file, _)| file.clone())
        .collect();
    nobody("a service begins or commits by itself", &transactions);
}

#[test]
fn dependencies_point_one_way() {
    let mut culprits = Vec::new();
    for (file, text) in rust() {
        let text = code(&text);
        let domain = file.contains("/src/domain") && file.starts_with("services");
        if domain {
            for sibling in ["http", "event_handlers", "store"] {
                if text.contains(&format!("crate::{sibling}")) {
                    culprits.push(format!("{file}: domain uses {sibling}"));
                }
            }
            if text.contains("sqlx::") || text.contains("tokio::") {
                culprits.push(format!("{file}: domain touches the world"));
            }
        }
        let machinery = file.starts_with("shared/src") && !file.starts_with("shared/src/contract");
        if machinery && text.contains("crate::contract") {
            culprits.push(format!("{file}: the machinery knows the business"));
        }
    }
    for (file, text) in files("services", "Cargo.toml") {
        for service in ticketrail::services::NAMES {
            let own = file == format!("services/{service}/Cargo.toml");
            if !own && text.contains(&format!("{service}.workspace")) {
                culprits.push(format!("{file}: depends on {service}"));
            }
        }
    }
    nobody("a dependency points against the one direction", &culprits);
}

#[test]
fn manifests_take_lints_and_versions_from_the_workspace() {
    let manifests = ["services", "shared", "deploy/cli", "tests"]
        .iter()
        .flat_map(|folder| files(folder, "Cargo.toml"))
        .filter(|(_, text)| {
            !text.contains("[lints]\nworkspace = true") || text.contains("version = \"")
        });
    let culprits: Vec<_> = manifests.map(|(file, _)| file).collect();
    nobody("a manifest has its own lints or versions", &culprits);
}

#[test]
fn every_setting_stands_in_the_sample_with_its_meaning() {
    let sample = fs::read_to_string(root().join("deploy/sample.env")).expect("the sample");
    let mut culprits = Vec::new();
    for (file, text) in rust() {
        // The examples' settings stand in their own pages.
        if !file.starts_with("services") && !file.starts_with("shared/src") {
            continue;
        }
        for setting in text
            .split("env = \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            let listed = sample.lines().any(|line| {
                line.trim_start_matches(['#', ' '])
                    .starts_with(&format!("{setting}="))
            });
            if !listed {
                culprits.push(format!("{file}: {setting}"));
            }
        }
    }
    nobody("a setting is missing in deploy/sample.env", &culprits);
}

#[test]
fn files_are_named_after_an_idea_and_no_line_is_too_long() {
    let mut culprits = Vec::new();
    for (file, text) in rust() {
        let name = file.rsplit('/').next().expect("a name");
        if [
            "utils.rs",
            "common.rs",
            "types.rs",
            "prelude.rs",
            "helpers.rs",
        ]
        .contains(&name)
        {
            culprits.push(format!("{file}: a drawer"));
        }
        for (number, line) in text.lines().enumerate() {
            if line.chars().count() > 100 {
                culprits.push(format!("{file}:{}: over 100 columns", number + 1));
            }
        }
    }
    nobody("a file breaks a convention", &culprits);
}
