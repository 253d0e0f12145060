//! Settings that every service has: flags, environment and defaults in one place.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use crate::http::auth::AuthConfig;

#[derive(Debug, Clone, Args)]
pub struct CommonConfig {
    /// `secure` refuses to start with what only development may do with: the development issuer's
    /// tokens, passwords that everybody knows, keys over plain HTTP, and topics with fewer than 3
    /// copies, fewer than 2 of them in sync, or unclean elections.
    #[arg(long, env = "PROFILE", value_enum, default_value_t = Profile::Dev)]
    pub profile: Profile,
    /// The service's own Postgres database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Connections for the API, and as many for work of its own; consumer and relay have theirs.
    #[arg(long, env = "DATABASE_CONNECTIONS_MAX", default_value_t = 8)]
    pub database_connections_max: u32,
    #[arg(
        long,
        env = "KAFKA_BOOTSTRAP_SERVERS",
        default_value = "127.0.0.1:9092"
    )]
    pub kafka_bootstrap_servers: String,
    /// Put before every topic and group name. For tests that share a broker; empty in production.
    #[arg(long, env = "KAFKA_NAMESPACE", default_value = "")]
    pub kafka_namespace: String,
    /// `consumer` needs Kafka 4; `classic` works everywhere and joins slower.
    #[arg(
        long,
        env = "KAFKA_GROUP_PROTOCOL",
        value_enum,
        default_value_t = GroupProtocol::Consumer
    )]
    pub kafka_group_protocol: GroupProtocol,
    /// Confluent-compatible REST API; a path is allowed.
    #[arg(
        long,
        env = "SCHEMA_REGISTRY_URL",
        default_value = "http://127.0.0.1:8081/apis/ccompat/v7"
    )]
    pub schema_registry_url: String,
    /// OTLP over gRPC. Without it no spans are exported.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// The API. Default: loopback, the service's own port.
    #[arg(long, env = "HTTP_ADDR")]
    pub http_addr: Option<SocketAddr>,
    /// Health and metrics. Default: loopback, the service's port + 1000.
    #[arg(long, env = "OPS_ADDR")]
    pub ops_addr: Option<SocketAddr>,
    /// Listening beyond loopback is refused unless this says that it is meant, as in a container
    /// whose ports are published on loopback.
    #[arg(long, env = "LISTEN_BEYOND_LOOPBACK", default_value_t = false)]
    pub listen_beyond_loopback: bool,
    /// Records in one batch at most. More share a flush; fewer are redone when a batch fails.
    #[arg(long, env = "BATCH_RECORDS_MAX", default_value_t = 2000)]
    pub batch_records_max: usize,
    /// So many dead letters among the last 1000 records, and more than half of them, look like an
    /// error of this service or of a producer: it stops there, is not ready, and dead-letters
    /// nothing more.
    #[arg(long, env = "DEAD_LETTERS_SURGE", default_value_t = 200)]
    pub dead_letters_surge: usize,
    /// What in-flight work gets after SIGTERM before it is dropped. Nothing is lost by dropping.
    #[arg(long, env = "DRAIN_TIMEOUT_S", default_value_t = 20)]
    pub drain_timeout_s: u64,
    #[command(flatten)]
    pub auth: AuthConfig,
}

/// How much is refused at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    Dev,
    Secure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GroupProtocol {
    Consumer,
    Classic,
}
