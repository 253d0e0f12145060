//! The HTTP door. **A customer's every read and write names its owner in the statement.**

use std::sync::Arc;

use axum::extract::FromRef;
use shared::http::auth::{Caller, Verifier};
use shared::http::error::ApiError;
use shared::http::intake::Intake;
use shared::rail::Rail;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::config::Config;
use crate::saga::Rules;
use crate::watch::Watch;

/// Reading orders, and calling them off.
mod orders;
/// Placing orders: many requests share a transaction.
mod place;
/// What is read from query strings.
mod query;
/// What staff looks at.
mod sagas;
/// An order's story as it unfolds.
mod stream;
/// An order's story.
mod timeline;
/// What is said about an order.
mod view;

/// Reads any order.
const OPERATIONS: &str = "operations";

/// What the endpoints need beside the rail.
pub(crate) struct Orders {
    rules: Arc<Rules>,
    watch: Watch,
    jaeger_ui_url: Arc<str>,
}

impl Orders {
    pub(crate) fn of(config: &Config, rules: &Arc<Rules>, watch: &Watch) -> Self {
        Self {
            rules: Arc::clone(rules),
            watch: watch.clone(),
            jaeger_ui_url: config.jaeger_ui_url.trim_end_matches('/').into(),
        }
    }
}

#[derive(Clone)]
struct Api {
    rail: Rail,
    intake: Intake<place::Placing, place::Placed>,
    rules: Arc<Rules>,
    watch: Watch,
    jaeger_ui_url: Arc<str>,
}

impl FromRef<Api> for Verifier {
    fn from_ref(api: &Api) -> Self {
        Self::from_ref(&api.rail)
    }
}

pub(crate) fn router(rail: Rail, orders: Orders) -> OpenApiRouter {
    let Orders {
        rules,
        watch,
        jaeger_ui_url,
    } = orders;
    let intake = place::intake(rail.for_all(), Arc::clone(&rules));
    OpenApiRouter::new()
        .routes(routes!(orders::list_products))
        .routes(routes!(place::place_order, orders::list_orders))
        .routes(routes!(orders::show_order))
        .routes(routes!(orders::cancel_order))
        .routes(routes!(timeline::show_timeline))
        .routes(routes!(stream::stream_order))
        .routes(routes!(sagas::list_sagas))
        .with_state(Api {
            rail,
            intake,
            rules,
            watch,
            jaeger_ui_url,
        })
}

/// Whose order it must be. Staff may read anybody's.
fn owner(caller: &Caller) -> Option<&str> {
    (!caller.has(OPERATIONS)).then_some(&caller.subject)
}

/// Also said of somebody else's order, so that nobody learns that it exists.
fn order_not_found(order_id: Uuid) -> ApiError {
    ApiError::not_found("order-not-found", format!("you have no order {order_id}"))
}
