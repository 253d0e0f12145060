//! Check everything, start everything, and stop it in the order in which nothing is lost.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::housekeeping::{INBOX_DAYS, keep_house, maintain_partitions};
use super::patience::patiently;
use super::{Mode, Service, Task, refusals, setup};
use crate::avro::Codec;
use crate::avro::registry::Registry;
use crate::clock::Clock;
use crate::config::CommonConfig;
use crate::consumer::ConsumerContext;
use crate::db::Connections;
use crate::dead_letters::operations::DeadLetters;
use crate::event::Schema;
use crate::http::auth::Verifier;
use crate::http::health::Health;
use crate::kafka::{Names, client, dead_letter_topic};
use crate::outbox::{Relay, RelayConfig, Wake};
use crate::rail::Rail;
use crate::telemetry::Telemetry;
use crate::{db, dead_letters, http};

/// A task that fails is started again after this.
const TASK_RESTART: Duration = Duration::from_secs(1);

/// A service that was started in this process.
pub struct Running {
    pub api_addr: SocketAddr,
    pub ops_addr: SocketAddr,
    pub rail: Rail,
    stopping: CancellationToken,
    parts: JoinSet<(&'static str, anyhow::Result<()>)>,
    drain_timeout: Duration,
}

pub(super) fn main(service: Service, config: CommonConfig, mode: Option<Mode>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A service is one consumer, one relay and a few requests; more threads only switch.
        .worker_threads(2)
        .thread_name(service.name)
        .build()
        .expect("the operating system gives a process its threads");
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Err(error) = crate::crash::check() {
        eprintln!("{} cannot start: {error:#}", service.name);
        return ExitCode::FAILURE;
    }
    runtime.block_on(async {
        match mode {
            None => {}
            Some(Mode::Healthcheck) => return ask_readiness(service.ops_addr(&config)).await,
            Some(Mode::Init(topics)) => return init(service, &config, &topics).await,
        }
        let telemetry =
            match Telemetry::start(service.name, config.otel_exporter_otlp_endpoint.as_deref()) {
                Ok(telemetry) => telemetry,
                Err(error) => {
                    eprintln!("{} cannot start: {error:#}", service.name);
                    return ExitCode::FAILURE;
                }
            };
        let name = service.name;
        let outcome = serve_until_stopped(service, config).await;
        if let Err(error) = &outcome {
            tracing::error!(error = %error, "{name} stops: {error:#}");
        }
        telemetry.stop().await;
        if outcome.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    })
}

async fn init(service: Service, config: &CommonConfig, topics: &setup::TopicConfig) -> ExitCode {
    let waiting = |error: &anyhow::Error| eprintln!("{} waits: {error:#}", service.name);
    match patiently(
        async || setup::init(&service, config, topics).await,
        waiting,
    )
    .await
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} cannot be prepared: {error:#}", service.name);
            ExitCode::FAILURE
        }
    }
}

async fn serve_until_stopped(service: Service, config: CommonConfig) -> anyhow::Result<()> {
    let mut running = start(service, config, Clock::default()).await?;
    tokio::select! {
        signal = terminated() => signal?,
        failed = running.failed() => return Err(failed),
    }
    tracing::info!("Stopping");
    running.stop().await
}

async fn terminated() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Ready when it returns, but for the partitions that Kafka has still to assign.
pub async fn start(
    service: Service,
    config: CommonConfig,
    clock: Clock,
) -> anyhow::Result<Running> {
    let (api_addr, ops_addr) = (service.api_addr(&config), service.ops_addr(&config));
    let names = Names::new(&config.kafka_namespace);
    let group = names.group(service.name);
    let consumer_client = client::consumer(&config, &group, service.name);
    let producer_client = client::producer(&config, service.name);
    refusals::of_settings(
        &config,
        [api_addr, ops_addr],
        &consumer_client,
        &producer_client,
    )?;
    let api_listener = listen(api_addr).await?;
    let ops_listener = listen(ops_addr).await?;
    // Port 0 asks for any free one.
    let (api_addr, ops_addr) = (api_listener.local_addr()?, ops_listener.local_addr()?);
    let verifier = Verifier::new(&config.auth)?;
    let pool = db::pool(
        db::options_of_own_work(&config.database_url, service.name)?,
        config.database_connections_max,
    );

    let waiting = |error: &anyhow::Error| {
        tracing::warn!(error = %error, "Not ready to start yet: {error:#}");
    };
    let migrations = db::migrations(service.migrations.iter().copied());
    let codec = patiently(
        async || {
            refusals::of_database(&pool, &migrations).await?;
            prepare(&service, &config, &pool, &names).await
        },
        waiting,
    )
    .await?;

    let health = Health::default();
    let wake = Wake::default();
    let stopping = CancellationToken::new();
    let rail = Rail::new(
        service.name,
        Connections::of(pool.clone()),
        codec.clone(),
        wake.clone(),
        clock.clone(),
        verifier,
        stopping.clone(),
    );
    let mut parts = JoinSet::new();

    let relay = Relay::new(
        RelayConfig {
            service: service.name,
            database: db::options_of_own_work(&config.database_url, service.name)?,
            producer: producer_client,
            names: names.clone(),
            conversation: service.conversation,
        },
        codec.clone(),
        wake.clone(),
        // The relay goes on until the handlers have committed their last batch.
        CancellationToken::new(),
    );
    let relay_stopping = relay.stopping().clone();
    let handlers_done = CancellationToken::new();

    let consumer_database =
        db::options_of_own_work(&config.database_url, &format!("{}/consumer", service.name))?;
    let consumer = service.consumer.map(|consumer| {
        consumer.build(ConsumerContext {
            service: service.name,
            client: consumer_client,
            names,
            database: consumer_database,
            batch_records_max: config.batch_records_max,
            dead_letters_surge: config.dead_letters_surge,
            codec,
            clock,
            wake,
            health: health.clone(),
            conversation: service.conversation,
            stopping: stopping.clone(),
        })
    });
    // Or so many requests could come that the service's own work finds no connection.
    let pool_of_requests = db::pool(
        db::options(&config.database_url, &format!("{}/api", service.name))?,
        config.database_connections_max,
    );
    let routes = service
        .routes
        .map(|routes| routes(rail.over(Connections::of(pool_of_requests))))
        .unwrap_or_default();
    let app = http::api(service.name, routes);
    let (consumer, out_of_turn) = consumer.map_or((None, None), |built| {
        (Some(built.run), Some(built.out_of_turn))
    });
    let operations = http::health::operations(health.clone(), pool.clone()).merge(
        dead_letters::operations::routes(DeadLetters {
            service: service.name,
            pool: pool.clone(),
            verifier: rail.verifier().clone(),
            consumer: out_of_turn,
        }),
    );

    {
        let (stopping, handlers_done) = (stopping.clone(), handlers_done.clone());
        let tasks = service.tasks;
        let rail = rail.clone();
        parts.spawn(async move {
            let mut handlers: JoinSet<anyhow::Result<()>> = JoinSet::new();
            if let Some(consumer) = consumer {
                handlers.spawn(consumer);
            }
            handlers.spawn(serve(api_listener, app, stopping.clone()));
            for task in tasks {
                handlers.spawn(keep_running(task, rail.clone()));
            }
            let mut outcome = Ok(());
            while let Some(ended) = handlers.join_next().await {
                let ended = ended.context("a part panicked").flatten_result();
                if ended.is_err() && outcome.is_ok() {
                    outcome = ended;
                    stopping.cancel();
                }
            }
            handlers_done.cancel();
            ("handlers", outcome)
        });
    }
    parts.spawn(async move { ("relay", relay.run().await) });
    parts.spawn({
        let relay_stopping = relay_stopping.clone();
        async move {
            handlers_done.cancelled().await;
            relay_stopping.cancel();
            ("relay stop", Ok(()))
        }
    });
    parts.spawn({
        let stopped = relay_stopping.clone();
        async move { ("operations", serve(ops_listener, operations, stopped).await) }
    });
    parts.spawn({
        let (pool, stopping, name) = (pool.clone(), stopping.clone(), service.name);
        async move { ("housekeeping", keep_house(name, pool, stopping).await) }
    });

    tracing::info!(api = %api_addr, ops = %ops_addr, "{} is up", service.name);
    Ok(Running {
        api_addr,
        ops_addr,
        rail,
        stopping,
        parts,
        drain_timeout: Duration::from_secs(config.drain_timeout_s),
    })
}

impl Running {
    /// Waits for a part that ends by itself, which none should.
    async fn failed(&mut self) -> anyhow::Error {
        while let Some(ended) = self.parts.join_next().await {
            match ended {
                Ok((_, Ok(()))) => {}
                Ok((part, Err(error))) => return error.context(part),
                Err(error) => return anyhow::Error::new(error).context("a part panicked"),
            }
        }
        anyhow::anyhow!("every part ended")
    }

    /// Stops taking, finishes what is in flight, publishes it, and ends.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.stopping.cancel();
        let drained = tokio::time::timeout(self.drain_timeout, async {
            let mut outcome = Ok(());
            while let Some(ended) = self.parts.join_next().await {
                if let Ok((part, Err(error))) = ended {
                    outcome = Err(error.context(part));
                }
            }
            outcome
        })
        .await;
        // What did not finish in time is done again after the next start.
        drained.unwrap_or_else(|_| {
            tracing::warn!("Work in flight was dropped; it comes again after the next start");
            Ok(())
        })
    }

    /// Ends at once, as a crash would: nothing is finished, nothing is flushed.
    #[cfg(feature = "testing")]
    pub async fn abort(mut self) {
        self.parts.shutdown().await;
    }
}

trait FlattenResult {
    fn flatten_result(self) -> anyhow::Result<()>;
}

impl FlattenResult for anyhow::Result<anyhow::Result<()>> {
    fn flatten_result(self) -> anyhow::Result<()> {
        self.and_then(|inner| inner)
    }
}

async fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on {addr}"))
}

async fn serve(
    listener: TcpListener,
    app: axum::Router,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    axum::serve(listener, app)
        .with_graceful_shutdown(stopping.cancelled_owned())
        .await?;
    Ok(())
}

/// Everything that needs the outside to be there.
async fn prepare(
    service: &Service,
    config: &CommonConfig,
    pool: &PgPool,
    names: &Names,
) -> anyhow::Result<Codec> {
    let consumed = service.consumed_topics();
    let read: Vec<_> = consumed.iter().map(|topic| names.topic(topic.0)).collect();
    let letters = consumed
        .iter()
        .map(|topic| names.topic(&dead_letter_topic(topic.0, service.name)));
    let published = service.published_topics();
    let published = published.iter().map(|topic| names.topic(topic.0));
    let written: Vec<_> = letters.chain(published).collect();
    let kafka = client::common(config, service.name);
    refusals::of_topics(config.profile, &kafka, &read, &written, INBOX_DAYS).await?;
    maintain_partitions(pool).await?;
    let registry = Registry::new(&config.schema_registry_url)?;
    Codec::load(registry, pool.clone(), schemas(service)).await
}

fn schemas(service: &Service) -> Vec<Schema> {
    let published = service.publishes.iter().copied();
    let consumed = service
        .consumer
        .as_ref()
        .map(|consumer| consumer.schemas())
        .unwrap_or_default();
    let mut schemas: Vec<_> = published.chain(consumed).collect();
    schemas.sort_by_key(|schema| schema.event_type);
    schemas.dedup_by_key(|schema| schema.event_type);
    schemas
}

async fn keep_running(task: Task, rail: Rail) -> anyhow::Result<()> {
    while !rail.stopping().is_cancelled() {
        if let Err(error) = (task.run)(rail.clone()).await {
            tracing::warn!(error = %error, "{} failed and starts again: {error:#}", task.name);
        }
        tokio::select! {
            () = tokio::time::sleep(TASK_RESTART) => {}
            () = rail.stopping().cancelled() => {}
        }
    }
    Ok(())
}

async fn ask_readiness(ops_addr: SocketAddr) -> ExitCode {
    let url = format!("http://127.0.0.1:{}/health/ready", ops_addr.port());
    match reqwest::get(url).await {
        Ok(answer) if answer.status().is_success() => ExitCode::SUCCESS,
        Ok(answer) => {
            eprintln!("not ready: {}", answer.text().await.unwrap_or_default());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("not running: {error}");
            ExitCode::FAILURE
        }
    }
}
