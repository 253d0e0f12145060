//! User onboarding: one service that signs users up, and two that tell providers outside of it.
//!
//! - **A sign-up is answered at once**, whatever the providers do.
//! - **Every user has one invitation and one booking**: one delivery for each, and one idempotency
//!   key for all of its attempts.
//! - **A provider that was away gets what has waited, in order.**

pub mod contract;
mod integrator;
mod signups;

use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use shared::delivery::Lane;
use shared::service::Service;
use sqlx::migrate::Migrator;

use contract::UserSignedUp;
use integrator::{Integrator, Work};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/signups");

/// `POST /v1/signups`. Publishes: `UserSignedUp`.
pub fn signups((): ()) -> Service {
    Service::new("signups", 8111, &MIGRATIONS)
        .conversation("user.id")
        .publishes::<UserSignedUp>()
        .routes(signups::router)
}

/// Invites new users to a chat. Consumes: `UserSignedUp`.
pub fn invitations(config: Config) -> Service {
    integrator("invitations", 8112, config, integrator::invitation)
}

/// Books a demonstration in a calendar for new users. Consumes: `UserSignedUp`.
pub fn bookings(config: Config) -> Service {
    integrator("bookings", 8113, config, integrator::booking)
}

/// The provider, and how it wants to be asked.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where things are added: `http://127.0.0.1:8194/invitations`
    #[arg(long, env = "PROVIDER_URL")]
    provider_url: String,
    #[arg(long, env = "PROVIDER_PER_SECOND", default_value = "50")]
    provider_per_second: NonZeroU32,
}

fn integrator(name: &'static str, port: u16, config: Config, work: Work) -> Service {
    let lane = Lane {
        name: name.to_owned(),
        per_second: config.provider_per_second,
        // Strictly one after the other.
        at_once: 1,
        probe_every_max: Duration::from_secs(5),
    };
    Service::new(name, port, None)
        .conversation("user.id")
        .consumes(Integrator { name, work })
        .delivers(lane, move |client, delivery| {
            client.post(&config.provider_url).json(&delivery.payload)
        })
}
