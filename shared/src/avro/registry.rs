//! The schema registry's client, over `schema_registry_converter`'s plain calls: those cache
//! nothing, so a registry that answers nonsense while it starts poisons nothing.

use std::time::Duration;

use anyhow::Context;
use apache_avro::Schema as AvroSchema;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, SchemaType, SrCall, SuppliedSchema,
};
use std::error::Error;

use super::full_name;
use crate::event::Schema;

/// A healthy registry answers in milliseconds.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a registry says when it is well and does not have it: subject, version or schema unknown.
const NOT_FOUND: [u32; 4] = [404, 40401, 40402, 40403];

#[derive(Clone)]
pub struct Registry {
    settings: SrSettings,
    url: String,
}

impl Registry {
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let settings = SrSettings::new_builder(url.trim_end_matches('/').to_owned())
            .set_timeout(TIMEOUT)
            .build()
            .map_err(|error| anyhow::anyhow!("SCHEMA_REGISTRY_URL is not usable: {error}"))?;
        Ok(Self {
            settings,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// The id under which exactly this schema is registered.
    pub async fn find_id(&self, subject: &str, text: &str) -> Result<Option<u32>, SRCError> {
        let body = serde_json::json!({ "schema": text }).to_string();
        match perform_sr_call(&self.settings, SrCall::PostForVersion(subject, &body)).await {
            Ok(found) => Ok(found.id),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn find_schema(&self, id: u32) -> Result<Option<String>, SRCError> {
        match get_schema_by_id(id, &self.settings).await {
            Ok(found) => Ok(Some(found.schema)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The init step's work: sets the subject's compatibility, then registers. Registering the
    /// same schema again gives the same id.
    pub async fn register(&self, schema: &Schema, compatibility: &str) -> anyhow::Result<u32> {
        let subject = subject(schema)?;
        let url = format!("{}/config/{subject}", self.url);
        reqwest::Client::builder()
            .timeout(TIMEOUT)
            .build()?
            .put(&url)
            .json(&serde_json::json!({ "compatibility": compatibility }))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| format!("cannot set the compatibility of {subject}"))?;
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.text.to_owned());
        let registered = post_schema(&self.settings, subject.clone(), supplied)
            .await
            .map_err(|error| anyhow::anyhow!("the registry refused {subject}: {error}"))?;
        Ok(registered.id)
    }
}

/// `TopicRecordNameStrategy`: `order.events-ticketrail.order.OrderPlaced`.
pub fn subject(schema: &Schema) -> anyhow::Result<String> {
    let parsed = AvroSchema::parse_str(schema.text)
        .with_context(|| format!("the schema of {} does not parse", schema.event_type))?;
    let name = full_name(&parsed)
        .with_context(|| format!("the schema of {} is not a record", schema.event_type))?;
    Ok(format!("{}-{name}", schema.topic.0))
}

fn is_not_found(error: &SRCError) -> bool {
    error
        .source()
        .and_then(|source| source.downcast_ref::<RawError>())
        .is_some_and(|raw| NOT_FOUND.contains(&raw.error_code))
}
