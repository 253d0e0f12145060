//! The HTTP door: what was mailed, sending it again, and where customers want their mail.

use axum::Json;
use axum::extract::State as WithState;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use lettre::Address;
use serde::{Deserialize, Serialize};
use shared::batch::{Cause, Outgoing};
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::json::ValidJson;
use shared::http::params::{ValidPath, ValidQuery};
use shared::rail::Rail;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::domain::{self, Notification, Resend};
use crate::store;

/// A page that a person can still read.
const PAGE_DEFAULT: u8 = 50;
const PAGE_MAX: u8 = 200;
const NAME_CHARS_MAX: usize = 100;
/// No mail server takes a longer address.
const EMAIL_LENGTH_MAX: usize = 254;

pub fn router(rail: Rail) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_notifications))
        .routes(routes!(resend))
        .routes(routes!(show_contact, replace_contact))
        .with_state(rail)
}

/// One mail and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
struct View {
    notification_id: Uuid,
    /// Order id or SKU.
    subject_id: String,
    /// For example `order_confirmed`, or `order_dispatched:{shipment id}`.
    kind: String,
    /// `pending`, `sent` or `failed`.
    state: &'static str,
    recipient: String,
    message_id: String,
    /// Tries so far, the running one included.
    attempts: i32,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    /// While pending: when it is tried next.
    next_attempt_at: Option<DateTime<Utc>>,
    /// What the mail server or the network said last.
    last_error: Option<String>,
}

impl From<Notification> for View {
    fn from(notification: Notification) -> Self {
        Self {
            notification_id: notification.id,
            subject_id: notification.subject_id,
            kind: notification.kind,
            state: notification.state.name(),
            recipient: notification.recipient,
            message_id: notification.message_id,
            attempts: notification.attempts,
            created_at: notification.created_at,
            sent_at: notification.sent_at,
            next_attempt_at: notification.state.next_attempt_at(),
            last_error: notification.last_error,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Only about this order or SKU.
    subject_id: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<Uuid>,
    /// 1 to 200, 50 if not given.
    limit: Option<u8>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Notifications {
    items: Vec<View>,
    /// Absent on the last page.
    next_cursor: Option<Uuid>,
}

/// Mails, newest first: a customer sees their own, the scope `operations` sees all.
#[utoipa::path(
    get, path = "/v1/notifications", params(Page), tag = "notification",
    security(("token" = [])),
    responses(
        (status = 200, body = Notifications),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn list_notifications(
    caller: Caller,
    WithState(rail): WithState<Rail>,
    ValidQuery(page): ValidQuery<Page>,
) -> Result<Json<Notifications>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ApiError::invalid_field(
            "limit",
            format!("must be 1 to {PAGE_MAX}"),
        ));
    }

    let subject_id = page.subject_id.as_deref();
    // One more than asked for tells whether there is a next page.
    let rows = i64::from(limit) + 1;
    let mut found = if caller.has("operations") {
        store::list_all(
            &mut *rail.connection().await?,
            subject_id,
            page.cursor,
            rows,
        )
        .await?
    } else {
        let customer_id = &caller.subject;
        store::list_of_customer(
            &mut *rail.connection().await?,
            customer_id,
            subject_id,
            page.cursor,
            rows,
        )
        .await?
    };
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let next_cursor = found.last().filter(|_| more).map(|last| last.id);
    Ok(Json(Notifications {
        items: found.into_iter().map(View::from).collect(),
        next_cursor,
    }))
}

/// Sends a mail again, under the same Message-ID, to the address that is known today.
///
/// For the customer it went to, and for the scope `operations`. One that is on its way stays so.
#[utoipa::path(
    post, path = "/v1/notifications/{notification_id}/resend", tag = "notification",
    security(("token" = [])), params(("notification_id" = Uuid, Path)),
    responses(
        (status = 202, body = View),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn resend(
    caller: Caller,
    WithState(rail): WithState<Rail>,
    ValidPath(id): ValidPath<Uuid>,
) -> Result<(StatusCode, Json<View>), ApiError> {
    let cause = Cause::request();
    let notification = rail
        .transact(move |tx, now| {
            let (caller, cause) = (caller.clone(), cause.clone());
            Box::pin(async move {
                let notification = store::lock_one(tx, id).await?;
                let mut notification = notification
                    .filter(|notification| is_visible_to(notification, &caller))
                    .ok_or_else(|| notification_not_found(id))?;
                let customers = notification.customer_id.iter().cloned().collect();
                let contact = store::load_contacts(&mut *tx, &customers)
                    .await?
                    .into_values()
                    .next();

                let request = Resend {
                    causation_id: cause.id,
                    traceparent: cause.traceparent(),
                    contact,
                };
                let asked = domain::resend(&mut notification, request, now)
                    .map_err(|reject| ApiError::conflict(reject.code, reject.detail))?;

                if asked {
                    store::save_resend(tx, &notification).await?;
                }

                // The worker that sends it tells of it.
                Ok::<_, ApiError>((notification, Outgoing::none()))
            })
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(notification.into())))
}

/// Where a customer wants mail.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Contact {
    /// How mails address the customer: 1 to 100 characters on one line.
    name: String,
    email: String,
}

/// The caller's own contact.
#[utoipa::path(
    get, path = "/v1/contacts/me", tag = "notification", security(("token" = [])),
    responses(
        (status = 200, body = Contact),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn show_contact(
    caller: Caller,
    WithState(rail): WithState<Rail>,
) -> Result<Json<Contact>, ApiError> {
    let customer = [caller.subject.clone()].into();
    let contact = store::load_contacts(&mut *rail.connection().await?, &customer)
        .await?
        .remove(&caller.subject);
    let contact = contact.ok_or_else(|| {
        ApiError::not_found(
            "contact-not-found",
            format!(
                "no contact is known for {}; set one with PUT",
                caller.subject
            ),
        )
    })?;
    Ok(Json(Contact {
        name: contact.name.unwrap_or_default(),
        email: contact.email.to_string(),
    }))
}

/// Replaces the caller's own contact. Mails that were asked for before keep their address, unless
/// they are sent again.
#[utoipa::path(
    put, path = "/v1/contacts/me", tag = "notification", request_body = Contact,
    security(("token" = [])),
    responses(
        (status = 200, body = Contact),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn replace_contact(
    caller: Caller,
    WithState(rail): WithState<Rail>,
    ValidJson(contact): ValidJson<Contact>,
) -> Result<Json<Contact>, ApiError> {
    let contact = checked(contact)?;
    let saved = contact.clone();
    rail.transact(move |tx, now| {
        let (customer_id, contact) = (caller.subject.clone(), contact.clone());
        Box::pin(async move {
            store::save_contact(tx, &customer_id, &contact.name, &contact.email, now).await?;
            Ok::<_, ApiError>(((), Outgoing::none()))
        })
    })
    .await?;
    Ok(Json(saved))
}

fn checked(contact: Contact) -> Result<Contact, ApiError> {
    let name = contact.name.trim().to_owned();
    let length = name.chars().count();
    if !(1..=NAME_CHARS_MAX).contains(&length) || name.contains(char::is_control) {
        let detail = format!("must be 1 to {NAME_CHARS_MAX} characters on one line");
        return Err(ApiError::invalid_field("name", detail));
    }
    let email = contact.email.trim().to_owned();
    if email.len() > EMAIL_LENGTH_MAX || email.parse::<Address>().is_err() {
        return Err(ApiError::invalid_field(
            "email",
            "must be a mail address, such as alice@example.org",
        ));
    }
    Ok(Contact { name, email })
}

fn is_visible_to(notification: &Notification, caller: &Caller) -> bool {
    caller.has("operations") || notification.customer_id.as_ref() == Some(&caller.subject)
}

fn notification_not_found(id: Uuid) -> ApiError {
    ApiError::not_found(
        "notification-not-found",
        format!("there is no notification {id}"),
    )
}
