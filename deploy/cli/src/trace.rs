//! An order's trace from Jaeger, as a tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use uuid::Uuid;

use crate::Stack;
use crate::client::{Client, layout};

#[derive(Args)]
pub(crate) struct Trace {
    order: Uuid,
    /// Read as staff, whoever placed it.
    #[arg(long, default_value = "operations")]
    customer: String,
    #[arg(long)]
    json: bool,
    /// The order service, where it is not on this machine.
    #[arg(long, env = "ORDER_URL")]
    order_url: Option<String>,
    /// Jaeger's query API, where it is not on this machine.
    #[arg(long, env = "JAEGER_UI_URL")]
    jaeger_url: Option<String>,
    #[command(flatten)]
    stack: Stack,
}

impl Trace {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let layout = layout(&self.stack)?;
        let endpoints = layout.endpoints();
        let client = Client::new(&layout.dir, &self.customer, "operations")?;
        let service = self.order_url.unwrap_or(endpoints.order);
        let url = format!("{service}/v1/orders/{}", self.order);
        let view = client.get(&url).await?.ok()?;
        let trace_id = view["trace_id"]
            .as_str()
            .context("the order has no trace")?;
        let trace = fetch(&self.jaeger_url.unwrap_or(endpoints.jaeger), trace_id).await?;
        if self.json {
            println!("{}", serde_json::to_string(&trace)?);
        } else {
            println!("{}", trace.tree());
        }
        Ok(())
    }
}

/// What Jaeger knows of one trace.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FetchedTrace {
    pub trace_id: String,
    pub spans: Vec<TraceSpan>,
}

#[derive(Debug, Clone, serde::Serialize)]
pub struct TraceSpan {
    pub id: String,
    pub parent: Option<String>,
    pub service: String,
    pub name: String,
    pub event: Option<String>,
    pub start_us: i64,
    pub duration_us: i64,
    pub order_id: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    spans: Vec<Span>,
    processes: BTreeMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    #[serde(rename = "spanID")]
    span_id: String,
    operation_name: String,
    references: Vec<Reference>,
    start_time: i64,
    duration: i64,
    tags: Vec<Tag>,
    #[serde(rename = "processID")]
    process_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    ref_type: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    service_name: String,
}

/// Reads a trace; an unknown one has no spans.
pub async fn fetch(jaeger: &str, trace_id: &str) -> anyhow::Result<FetchedTrace> {
    let url = format!("{jaeger}/api/traces/{trace_id}");
    // A proxy of the surroundings has no business on the loopback interface.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let response = http
        .get(&url)
        .send()
        .await
        .with_context(|| format!("no answer from {url}"))?;
    let answer: Answer = if response.status() == reqwest::StatusCode::NOT_FOUND {
        Answer { data: Vec::new() }
    } else {
        response
            .error_for_status()?
            .json()
            .await
            .context("Jaeger's answer")?
    };
    let mut spans: Vec<_> = answer
        .data
        .into_iter()
        .flat_map(|data| {
            let processes = data.processes;
            data.spans.into_iter().map(move |span| {
                let service = processes
                    .get(&span.process_id)
                    .map_or_else(String::new, |process| process.service_name.clone());
                let tag = |name: &str| {
                    span.tags
                        .iter()
                        .find(|tag| tag.key == name)
                        .and_then(|tag| tag.value.as_str().map(str::to_owned))
                };
                TraceSpan {
                    parent: span
                        .references
                        .iter()
                        .find(|reference| reference.ref_type == "CHILD_OF")
                        .map(|reference| reference.span_id.clone()),
                    event: tag("ticketrail.event.type"),
                    order_id: tag("order.id"),
                    id: span.span_id,
                    service,
                    name: span.operation_name,
                    start_us: span.start_time,
                    duration_us: span.duration,
                }
            })
        })
        .collect();
    spans.sort_by_key(|span| span.start_us);
    Ok(FetchedTrace {
        trace_id: trace_id.to_owned(),
        spans,
    })
}

impl FetchedTrace {
    pub fn services(&self) -> BTreeSet<&str> {
        self.spans
            .iter()
            .map(|span| span.service.as_str())
            .collect()
    }

    /// Spans whose parent Jaeger does not know.
    pub fn orphans(&self) -> Vec<&TraceSpan> {
        let known: BTreeSet<_> = self.spans.iter().map(|span| span.id.as_str()).collect();
        self.spans
            .iter()
            .filter(|span| {
                span.parent
                    .as_deref()
                    .is_some_and(|parent| !known.contains(parent))
            })
            .collect()
    }

    /// One line per span: when it began, how long it took, who did what.
    pub fn tree(&self) -> String {
        let mut text = format!(
            "trace {} · {} spans · {} services\n",
            self.trace_id,
            self.spans.len(),
            self.services().len()
        );
        let known: BTreeSet<_> = self.spans.iter().map(|span| span.id.as_str()).collect();
        let begun = self.spans.first().map_or(0, |span| span.start_us);
        for root in &self.spans {
            if !root
                .parent
                .as_deref()
                .is_some_and(|parent| known.contains(parent))
            {
                self.branch(root, 0, begun, &mut text);
            }
        }
        text
    }

    fn branch(&self, span: &TraceSpan, depth: usize, begun: i64, text: &mut String) {
        let _ = writeln!(
            text,
            "{:>9.1} ms {:>8.1} ms  {}{} · {}{}",
            (span.start_us - begun) as f64 / 1e3,
            span.duration_us as f64 / 1e3,
            "  ".repeat(depth),
            span.service,
            span.name,
            span.event
                .as_ref()
                .map_or_else(String::new, |event| format!(" · {event}"))
        );
        for child in &self.spans {
            if child.parent.as_deref() == Some(span.id.as_str()) {
                self.branch(child, depth + 1, begun, text);
            }
        }
    }
}
