//! `deploy/sample.env` lists every setting there is, with its default.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Command, CommandFactory};
use shared::config::CommonConfig;

use crate::Cli;

const SAMPLE: &str = include_str!("../../sample.env");

/// Read by others than ourselves: docker compose, and the libraries for telemetry.
const OF_OTHERS: [&str; 10] = [
    "POSTGRES_PASSWORD",
    "ORDER_DATABASE_PASSWORD",
    "INVENTORY_DATABASE_PASSWORD",
    "SHIPMENT_DATABASE_PASSWORD",
    "NOTIFICATION_DATABASE_PASSWORD",
    "FRAUD_DATABASE_PASSWORD",
    "REGISTRY_DATABASE_PASSWORD",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "RUST_LOG",
];

/// `#NAME=value`; what is meaning and not a setting has a space after the `#`.
fn listed() -> BTreeMap<&'static str, &'static str> {
    let settings = SAMPLE.lines().filter_map(|line| {
        let setting = line.strip_prefix('#')?;
        setting
            .split_once('=')
            .filter(|(name, _)| !name.starts_with([' ', '-']))
    });
    let mut listed = BTreeMap::new();
    for (name, value) in settings {
        assert!(
            listed.insert(name, value).is_none(),
            "{name} stands there twice"
        );
    }
    listed
}

/// Name to default, where there is one; the five services and then the verbs of `ticketrail`.
fn known() -> BTreeMap<String, Option<String>> {
    let service = || CommonConfig::augment_args(Command::new("service"));
    let mut known = BTreeMap::new();
    for command in [
        order::Config::augment_args(service()),
        inventory::config::Config::augment_args(service()),
        shipment::Config::augment_args(service()),
        notification::Config::augment_args(service()),
        fraud::Config::augment_args(service()),
        Cli::command(),
    ] {
        collect(&command, &mut known);
    }
    known
}

fn collect(command: &Command, known: &mut BTreeMap<String, Option<String>>) {
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env() else { continue };
        let default = arg.get_default_values().first();
        let default = default.map(|value| value.to_string_lossy().into_owned());
        // Where a service has a default and a verb has none, the default is the one to tell.
        let told = known
            .entry(name.to_string_lossy().into_owned())
            .or_default();
        if told.is_none() {
            *told = default;
        }
    }
    for verb in command.get_subcommands() {
        collect(verb, known);
    }
}

#[test]
fn the_sample_lists_every_setting_and_no_other() {
    let known = known();
    let known: BTreeSet<&str> = known.keys().map(String::as_str).chain(OF_OTHERS).collect();
    let listed: BTreeSet<&str> = listed().into_keys().collect();

    let missing: Vec<_> = known.difference(&listed).collect();
    let unknown: Vec<_> = listed.difference(&known).collect();

    assert!(missing.is_empty(), "not in deploy/sample.env: {missing:?}");
    assert!(
        unknown.is_empty(),
        "in deploy/sample.env, and nobody reads it: {unknown:?}"
    );
}

#[test]
fn the_sample_tells_the_true_defaults() {
    let listed = listed();

    for (name, default) in known() {
        if let Some(default) = default {
            assert_eq!(
                listed.get(name.as_str()),
                Some(&default.as_str()),
                "default of {name}"
            );
        }
    }
}
