//! Image upload fan-out: one service that takes pictures, and three that make something of each.
//!
//! - **An upload is answered at once**; nobody has looked into the picture by then.
//! - **The three groups are unaware of each other.** Each has offsets, an inbox and a database of
//!   its own: one that is away holds up nobody, and catches up.
//! - **A broken picture is a dead letter of the group that cannot use it**, and of no other.

pub mod contract;
mod profiles;
mod search;
mod thumbnails;
mod uploads;

use shared::service::Service;
use sqlx::migrate::Migrator;

use contract::ImageUploaded;

static UPLOADS: Migrator = sqlx::migrate!("migrations/uploads");
static THUMBNAILS: Migrator = sqlx::migrate!("migrations/thumbnails");
static PROFILES: Migrator = sqlx::migrate!("migrations/profiles");
static SEARCH: Migrator = sqlx::migrate!("migrations/search");

/// `POST /v1/images`. Owns who has uploaded what under which key. Publishes: `ImageUploaded`.
pub fn uploads((): ()) -> Service {
    Service::new("uploads", 8121, &UPLOADS)
        .conversation("image.id")
        .publishes::<ImageUploaded>()
        .routes(uploads::http::router)
}

/// `GET /v1/thumbnails/{image_id}`. Owns the small pictures. Consumes: `ImageUploaded`.
pub fn thumbnails((): ()) -> Service {
    Service::new("thumbnails", 8122, &THUMBNAILS)
        .conversation("image.id")
        .routes(thumbnails::http::router)
        .consumes(thumbnails::event_handler::Thumbnails)
}

/// `GET /v1/profiles/{user_id}`. Owns how complete profiles are. Consumes: `ImageUploaded`.
pub fn profiles((): ()) -> Service {
    Service::new("profiles", 8123, &PROFILES)
        .conversation("image.id")
        .routes(profiles::http::router)
        .consumes(profiles::event_handler::Profiles)
}

/// `GET /v1/search`. Owns the words to find pictures by. Consumes: `ImageUploaded`.
pub fn search((): ()) -> Service {
    Service::new("search", 8124, &SEARCH)
        .conversation("image.id")
        .routes(search::http::router)
        .consumes(search::event_handler::Search)
}
