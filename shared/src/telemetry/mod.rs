//! Traces, logs and metrics: set up once per process, flushed whatever the outcome.

pub mod metrics;
pub mod propagation;
pub mod spans;

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use opentelemetry::global;
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Who looks for an order in Jaeger has just placed it; the default lets them wait for 5 s.
const EXPORT_DELAY: Duration = Duration::from_millis(500);

static REGISTRY: OnceLock<prometheus::Registry> = OnceLock::new();

/// Holds what must be flushed at the end.
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Call inside the runtime: the exporter speaks gRPC. A second call in one process, as tests
    /// make, leaves the first set-up in place.
    pub fn start(service: &'static str, otlp_endpoint: Option<&str>) -> anyhow::Result<Self> {
        global::set_text_map_propagator(TraceContextPropagator::new());
        let resource = Resource::builder().with_service_name(service).build();
        start_metrics(resource.clone())?;

        let tracer = otlp_endpoint
            .map(|endpoint| tracer(endpoint, resource))
            .transpose()?;
        if let Some(tracer) = &tracer {
            global::set_tracer_provider(tracer.clone());
        }
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
            EnvFilter::new("info,sqlx=warn,rdkafka=warn,librdkafka=warn,h2=warn,hyper=warn")
        });
        let log = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .with_filter(filter);
        let spans = tracer.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("ticketrail"))
                .with_location(false)
                .with_threads(false)
        });
        // Filters for all layers, not for one: what a library asks only to know whether it is
        // enabled leaves a mark in a layer's own filter, and that layer then misses the next span.
        let of_interest = filter_fn(|metadata| {
            metadata.is_event()
                || *metadata.level() <= tracing::Level::INFO && !is_library(metadata.target())
        });
        let _ = tracing_subscriber::registry()
            .with(of_interest)
            .with(spans)
            .with(log)
            .try_init();
        Ok(Self { tracer })
    }

    /// The last spans are still in memory.
    pub async fn stop(self) {
        if let Some(tracer) = self.tracer {
            let stopped = tokio::task::spawn_blocking(move || tracer.shutdown()).await;
            if !matches!(stopped, Ok(Ok(()))) {
                tracing::warn!("The last spans could not be exported");
            }
        }
    }
}

fn is_library(target: &str) -> bool {
    [
        "sqlx",
        "rdkafka",
        "h2",
        "hyper",
        "tonic",
        "tower",
        "reqwest",
        "opentelemetry",
    ]
    .iter()
    .any(|library| target.starts_with(library))
}

fn tracer(endpoint: &str, resource: Resource) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT is not usable")?;
    // A collector that is away drops spans; it never blocks an order. The other `OTEL_BSP_*` and
    // `OTEL_TRACES_SAMPLER*` are read by the SDK.
    let mut batches = BatchConfigBuilder::default();
    if std::env::var_os("OTEL_BSP_SCHEDULE_DELAY").is_none() {
        batches = batches.with_scheduled_delay(EXPORT_DELAY);
    }
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches.build())
        .build();
    Ok(SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource)
        .build())
}

fn start_metrics(resource: Resource) -> anyhow::Result<()> {
    if REGISTRY.get().is_some() {
        return Ok(());
    }
    let registry = prometheus::Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()?;
    global::set_meter_provider(
        SdkMeterProvider::builder()
            .with_reader(reader)
            .with_resource(resource)
            .build(),
    );
    let _ = REGISTRY.set(registry);
    Ok(())
}

/// The text that Prometheus scrapes.
pub fn metrics_text() -> String {
    let encoder = prometheus::TextEncoder::new();
    let families = REGISTRY
        .get()
        .map(prometheus::Registry::gather)
        .unwrap_or_default();
    encoder.encode_to_string(&families).unwrap_or_default()
}

pub fn current_span_context() -> SpanContext {
    tracing::Span::current()
        .context()
        .span()
        .span_context()
        .clone()
}

pub fn current_trace_id() -> Option<String> {
    let span = current_span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}
