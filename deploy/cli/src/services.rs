//! The five services: their names, their tables, and how each is started as a process.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sqlx::migrate::Migrator;

use crate::dev_keys;
use crate::local::ports::ServicePorts;
use crate::local::program::{Kind, Program};
use crate::local::{Health, Layout};

pub const NAMES: [&str; 5] = ["order", "inventory", "shipment", "notification", "fraud"];

/// A first start waits for its topics and for Kafka to hand out partitions.
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

pub fn migrations(service: &str) -> Option<&'static Migrator> {
    Some(match service {
        "order" => &order::MIGRATIONS,
        "inventory" => &inventory::MIGRATIONS,
        "shipment" => &shipment::MIGRATIONS,
        "notification" => &notification::MIGRATIONS,
        "fraud" => &fraud::MIGRATIONS,
        _ => return None,
    })
}

/// The service's own `main`, with its settings from the environment.
pub fn run(service: &str, args: Vec<String>) -> Option<ExitCode> {
    Some(match service {
        "order" => shared::service::main_with(order::service, args),
        "inventory" => shared::service::main_with(inventory::service, args),
        "shipment" => shared::service::main_with(shipment::service, args),
        "notification" => shared::service::main_with(notification::service, args),
        "fraud" => shared::service::main_with(fraud::service, args),
        _ => return None,
    })
}

/// `ticketrail run NAME` with everything it needs to know of the stack around it.
pub fn program(layout: &Layout, name: &str, automatic_warehouse: bool) -> anyhow::Result<Program> {
    let endpoints = layout.endpoints();
    let ports = layout
        .ports()
        .service(name)
        .ok_or_else(|| anyhow::anyhow!("{name} is no service; there are {}", NAMES.join(", ")))?;
    Ok(program_at(layout, name, ports, &layout.databases()[name])
        .env("SMTP_URL", &endpoints.smtp)
        .env("JAEGER_UI_URL", &endpoints.jaeger)
        .env("WAREHOUSE_AUTOMATIC", automatic_warehouse.to_string()))
}

/// The same for any service on the rail.
pub(crate) fn program_at(
    layout: &Layout,
    name: &str,
    ports: ServicePorts,
    database_url: &str,
) -> Program {
    let endpoints = layout.endpoints();
    let key = dev_keys::public_key_file(&layout.dir).display().to_string();
    let program = Program::new(name, Kind::Service, &layout.ticketrail, layout.log(name))
        .args(["run", name])
        .env("DATABASE_URL", database_url)
        .env("KAFKA_BOOTSTRAP_SERVERS", &endpoints.kafka)
        .env("SCHEMA_REGISTRY_URL", &endpoints.registry)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoints.otlp_grpc)
        .env("JWT_PUBLIC_KEY_FILE", key);
    listening(program, ports)
}

/// One more instance of a service, under a name of its own.
pub(crate) fn another(
    layout: &Layout,
    program: &Program,
    name: String,
    ports: ServicePorts,
) -> Program {
    let another = Program {
        log: layout.log(&name),
        name,
        ..program.clone()
    };
    listening(another, ports)
}

fn listening(program: Program, ports: ServicePorts) -> Program {
    let health = format!("{}/health/ready", ports.operations());
    let api = format!("127.0.0.1:{}", ports.api);
    program
        .env("HTTP_ADDR", &api)
        .env("OPS_ADDR", format!("127.0.0.1:{}", ports.ops))
        .healthy(Health::Http(health), HEALTHY_WITHIN)
        .address(format!("http://{api}"))
}

/// Where a stack keeps the development issuer's keys.
pub fn keys(layout: &Layout) -> &Path {
    &layout.dir
}
