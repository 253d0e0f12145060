//! Which port belongs to whom, and whether it is free.
//!
//! One offset moves every port. Offsets up to 16000 keep all of them below the range from which
//! Linux takes the ports of outgoing connections, so prefer those.

use std::net::{Ipv4Addr, TcpListener};

use super::Part;
use super::error::{Error, Result};

const HIGHEST: u16 = JAEGER_QUERY;
const JAEGER_QUERY: u16 = 16686;
pub(crate) const OFFSET_MAX: u16 = u16::MAX - HIGHEST;

/// Name, API and operations port of each service.
const SERVICES: [(&str, u16, u16); 5] = [
    ("order", 8080, 9080),
    ("inventory", 8082, 9082),
    ("shipment", 8083, 9083),
    ("notification", 8084, 9084),
    ("fraud", 8085, 9085),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    offset: u16,
    pub kafka: u16,
    pub kafka_controller: u16,
    pub registry: u16,
    pub registry_management: u16,
    pub postgres: u16,
    pub jaeger_query: u16,
    pub jaeger_query_grpc: u16,
    pub jaeger_health: u16,
    pub otlp_grpc: u16,
    pub otlp_http: u16,
    pub smtp: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServicePorts {
    pub api: u16,
    pub ops: u16,
}

impl ServicePorts {
    /// The address of its operations port.
    pub fn operations(&self) -> String {
        format!("http://127.0.0.1:{}", self.ops)
    }
}

/// A port, and who wants to listen on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub port: u16,
    pub wanted_by: String,
}

impl Ports {
    pub fn with_offset(offset: u16) -> Result<Self> {
        if offset > OFFSET_MAX {
            return Err(Error::PortOffset(offset));
        }
        Ok(Self {
            offset,
            kafka: 9092 + offset,
            kafka_controller: 9093 + offset,
            registry: 8081 + offset,
            registry_management: 9081 + offset,
            postgres: 5433 + offset,
            jaeger_query: JAEGER_QUERY + offset,
            jaeger_query_grpc: 16685 + offset,
            jaeger_health: 13133 + offset,
            otlp_grpc: 4317 + offset,
            otlp_http: 4318 + offset,
            smtp: 1025 + offset,
        })
    }

    pub fn service(&self, name: &str) -> Option<ServicePorts> {
        let (_, api, ops) = SERVICES.iter().find(|(service, ..)| *service == name)?;
        Some(ServicePorts {
            api: api + self.offset,
            ops: ops + self.offset,
        })
    }

    pub fn claims_of_part(&self, part: Part) -> Vec<Claim> {
        match part {
            Part::Postgres => vec![claim(self.postgres, "postgres")],
            Part::Kafka => vec![
                claim(self.kafka, "kafka"),
                claim(self.kafka_controller, "kafka, its controller"),
            ],
            Part::Registry => vec![
                claim(self.registry, "schema registry"),
                claim(self.registry_management, "schema registry, its health"),
            ],
            Part::Jaeger => vec![
                claim(self.jaeger_query, "jaeger, its query API"),
                claim(self.jaeger_query_grpc, "jaeger, its gRPC query API"),
                claim(self.otlp_grpc, "jaeger, OTLP over gRPC"),
                claim(self.otlp_http, "jaeger, OTLP over HTTP"),
                claim(self.jaeger_health, "jaeger, its health"),
            ],
            Part::Mail => vec![claim(self.smtp, "mail sink")],
        }
    }

    pub fn claims_of_service(&self, name: &str) -> Vec<Claim> {
        let Some(ports) = self.service(name) else {
            return Vec::new();
        };
        vec![
            claim(ports.api, name),
            claim(ports.ops, &format!("{name}, its operations")),
        ]
    }

    /// Every port of the table, whoever is started.
    pub fn all_claims(&self) -> Vec<Claim> {
        let parts = Part::ALL.iter().flat_map(|part| self.claims_of_part(*part));
        let services = SERVICES
            .iter()
            .flat_map(|(name, ..)| self.claims_of_service(name));
        parts.chain(services).collect()
    }
}

/// Fails with every claimed port that somebody else listens on.
pub fn check_free(claims: &[Claim]) -> Result<()> {
    let taken: Vec<Claim> = claims
        .iter()
        .filter(|claim| !is_free(claim.port))
        .cloned()
        .collect();
    if taken.is_empty() {
        Ok(())
    } else {
        Err(Error::PortsTaken(taken))
    }
}

/// An offset whose ports are all free now.
///
/// Two searches at the same time should not end at the same place, so each begins elsewhere.
pub fn find_free_offset() -> Result<u16> {
    const STEP: u16 = 40;
    const FROM: u16 = 2000;
    const CANDIDATES: u16 = 350;

    let begin = std::process::id() % u32::from(CANDIDATES);
    let begin = u16::try_from(begin).unwrap_or_default();
    (0..CANDIDATES)
        .map(|n| FROM + (begin + n) % CANDIDATES * STEP)
        .find(|offset| {
            Ports::with_offset(*offset).is_ok_and(|ports| check_free(&ports.all_claims()).is_ok())
        })
        .ok_or_else(|| Error::missing("a free range of ports", "stop other stacks"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn claim(port: u16, wanted_by: &str) -> Claim {
    Claim {
        port,
        wanted_by: wanted_by.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_parts_share_a_port_and_the_offset_moves_all() {
        let at = |offset| -> Vec<u16> {
            let ports = Ports::with_offset(offset).expect("a small offset");
            ports.all_claims().iter().map(|claim| claim.port).collect()
        };

        let mut unique = at(0);
        unique.sort_unstable();
        unique.dedup();
        let moved: Vec<u16> = at(0).iter().map(|port| port + 10_000).collect();

        assert_eq!(unique.len(), at(0).len());
        assert_eq!(at(10_000), moved);
        assert!(matches!(
            Ports::with_offset(60_000),
            Err(Error::PortOffset(60_000))
        ));
    }

    #[test]
    fn a_taken_port_is_named_with_the_part_that_wants_it() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = other.local_addr().expect("an address").port();

        let error = check_free(&[claim(port, "kafka")]).expect_err("the port is taken");

        assert!(
            error
                .to_string()
                .starts_with(&format!("port {port} (kafka) is taken"))
        );
        assert_eq!(error.exit_code(), 3);
    }
}
