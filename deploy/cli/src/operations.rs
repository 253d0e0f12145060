//! The services' operations ports, as an operator uses them.

use std::collections::BTreeMap;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::client::{Client, layout};
use crate::{Stack, Usage, services};

/// Whose operations ports, and on whose behalf.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// One service; without it, all of them.
    #[arg(long, global = true)]
    service: Option<String>,
    /// Where that service's operations port is, if not on this machine.
    #[arg(long, requires = "service", global = true)]
    operations_url: Option<String>,
    /// Who does this; written down beside what was done.
    #[arg(long, default_value = "operator", global = true)]
    operator: String,
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(flatten)]
    stack: Stack,
}

pub(crate) struct Operations {
    client: Client,
    /// Service to address.
    ports: BTreeMap<String, String>,
}

impl Target {
    pub(crate) fn open(&self) -> anyhow::Result<Operations> {
        let layout = layout(&self.stack)?;
        let mut ports = BTreeMap::new();
        for name in services::NAMES {
            if self.service.as_deref().is_none_or(|wanted| wanted == name) {
                let ports_of = layout
                    .ports()
                    .service(name)
                    .context("every service has its ports")?;
                ports.insert(name.to_owned(), ports_of.operations());
            }
        }
        if let (Some(service), Some(url)) = (&self.service, &self.operations_url) {
            ports = BTreeMap::from([(service.clone(), url.clone())]);
        }
        if ports.is_empty() {
            let named = self.service.as_deref().unwrap_or_default();
            return Err(Usage(format!(
                "{named} is none of {}; a service from outside needs its --operations-url",
                services::NAMES.join(", ")
            ))
            .into());
        }
        Ok(Operations {
            client: Client::new(&layout.dir, &self.operator, "operations")?,
            ports,
        })
    }

    /// The one service that is meant.
    pub(crate) fn only(&self) -> anyhow::Result<&str> {
        let service = self.service.as_deref();
        Ok(service.ok_or_else(|| Usage("say which service, with --service".to_owned()))?)
    }
}

impl Operations {
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut answers = Vec::new();
        for (service, url) in &self.ports {
            let answer = self.client.get(&format!("{url}{path}")).await?;
            answers.push(answer.ok().with_context(|| service.clone())?);
        }
        Ok(answers)
    }

    /// From the one service that knows what was asked for.
    pub(crate) async fn find(&self, path: &str) -> anyhow::Result<Vec<(String, Value)>> {
        let mut found = Vec::new();
        for (service, url) in &self.ports {
            let answer = self.client.get(&format!("{url}{path}")).await?;
            if answer.status != reqwest::StatusCode::NOT_FOUND {
                let body = answer.ok().with_context(|| service.clone())?;
                found.push((service.clone(), body));
            }
        }
        Ok(found)
    }

    pub(crate) async fn post(
        &self,
        service: &str,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let url = self
            .ports
            .get(service)
            .with_context(|| format!("{service} is not among the services that are meant"))?;
        let answer = self.client.post(&format!("{url}{path}"), body).await?;
        answer.ok().with_context(|| service.to_owned())
    }

    pub(crate) fn services(&self) -> Vec<String> {
        self.ports.keys().cloned().collect()
    }
}
