//! What staff changes by hand: receipts, corrections, thresholds.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use shared::batch::{Cause, Outgoing};
use shared::db::OnConstraint;
use shared::http::auth::Caller;
use shared::http::error::{ApiError, Problem};
use shared::http::idempotency::{IdempotencyKey, fingerprint};
use shared::http::json::ValidJson;
use shared::http::params::ValidPath;
use shared::rail::Rail;
use sqlx::PgConnection;
use uuid::Uuid;

use super::STAFF;
use super::body::{
    Adjusted, Correction, LevelView, Receipt, Threshold, ThresholdSet, check_new_sku,
    unknown_warehouse,
};
use crate::domain::{self, Adjustment, Book, Refusal};
use crate::store;

/// Books units that came in. A SKU that is new is known from then on.
#[utoipa::path(
    post, path = "/v1/stock/{sku}/receipts", tag = "stock", request_body = Receipt,
    params(
        ("sku" = String, Path, description = "The SKU"),
        ("Idempotency-Key" = String, Header, description = "Unique to this receipt"),
    ),
    responses(
        (status = 200, body = Adjusted, description = "booked, now or before under this key"),
        (status = 400, body = Problem, description = "`Idempotency-Key` is missing"),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 403, body = Problem, description = "the token lacks the scope `stock`"),
        (status = 422, body = Problem, description = "a field is at fault, or the key was used"),
    )
)]
pub(super) async fn receive(
    State(rail): State<Rail>,
    caller: Caller,
    key: IdempotencyKey,
    ValidPath(sku): ValidPath<String>,
    ValidJson(receipt): ValidJson<Receipt>,
) -> Result<Json<Value>, ApiError> {
    caller.require(STAFF)?;
    check_new_sku(&sku)?;
    receipt.check()?;
    let request = Request {
        causation_id: causation_id(&caller, &key),
        fingerprint: fingerprint(&("receipt", &sku, &receipt)),
        sku,
        warehouse: receipt.warehouse,
        adjustment: Adjustment::Receipt {
            quantity: receipt.quantity,
        },
        note: receipt.reason,
    };
    adjust(&rail, request).await
}

/// Books what counting found. Units that are promised to orders cannot be written off.
#[utoipa::path(
    post, path = "/v1/stock/{sku}/corrections", tag = "stock", request_body = Correction,
    params(
        ("sku" = String, Path, description = "The SKU"),
        ("Idempotency-Key" = String, Header, description = "Unique to this correction"),
    ),
    responses(
        (status = 200, body = Adjusted, description = "booked, now or before under this key"),
        (status = 400, body = Problem, description = "`Idempotency-Key` is missing"),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 403, body = Problem, description = "the token lacks the scope `stock`"),
        (status = 404, body = Problem, description = "no such SKU, or not in this warehouse"),
        (status = 409, body = Problem, description = "the units are promised to orders"),
        (status = 422, body = Problem, description = "a field is at fault, or the key was used"),
    )
)]
pub(super) async fn correct(
    State(rail): State<Rail>,
    caller: Caller,
    key: IdempotencyKey,
    ValidPath(sku): ValidPath<String>,
    ValidJson(correction): ValidJson<Correction>,
) -> Result<Json<Value>, ApiError> {
    caller.require(STAFF)?;
    correction.check()?;
    let request = Request {
        causation_id: causation_id(&caller, &key),
        fingerprint: fingerprint(&("correction", &sku, &correction)),
        sku,
        warehouse: correction.warehouse,
        adjustment: Adjustment::Correction {
            delta: correction.delta,
        },
        note: correction.reason,
    };
    adjust(&rail, request).await
}

/// Sets when to be told that stock runs low. Stock that already does is told at once.
#[utoipa::path(
    put, path = "/v1/stock/{sku}/threshold", tag = "stock", request_body = Threshold,
    params(("sku" = String, Path, description = "The SKU")),
    responses(
        (status = 200, body = ThresholdSet),
        (status = 401, body = Problem, description = "no valid token"),
        (status = 403, body = Problem, description = "the token lacks the scope `stock`"),
        (status = 404, body = Problem, description = "no such SKU, or not in this warehouse"),
        (status = 422, body = Problem, description = "a field is at fault"),
    )
)]
pub(super) async fn set_threshold(
    State(rail): State<Rail>,
    caller: Caller,
    ValidPath(sku): ValidPath<String>,
    ValidJson(threshold): ValidJson<Threshold>,
) -> Result<Json<ThresholdSet>, ApiError> {
    caller.require(STAFF)?;
    threshold.check()?;
    check_warehouse(&rail, &threshold.warehouse).await?;

    rail.transact(|tx, now| {
        let (sku, threshold) = (sku.clone(), threshold.clone());
        Box::pin(async move {
            let mut book = load(tx, &sku).await?;

            let events =
                domain::set_threshold(&mut book, &sku, &threshold.warehouse, threshold.threshold)
                    .map_err(|refusal| refused(refusal, &sku, &threshold.warehouse))?;

            store::save(tx, &book, now).await?;

            let level = level_view(&book, &sku, &threshold.warehouse);
            let answer = Json(ThresholdSet { sku, level });
            Ok((answer, Outgoing::caused_by(&Cause::request(), events)))
        })
    })
    .await
}

/// A receipt or correction, and by what its repeat is known.
#[derive(Clone)]
struct Request {
    /// Of caller and key, so that the ledger can name it and a repeat finds it.
    causation_id: Uuid,
    fingerprint: Vec<u8>,
    sku: String,
    warehouse: String,
    adjustment: Adjustment,
    note: String,
}

async fn adjust(rail: &Rail, request: Request) -> Result<Json<Value>, ApiError> {
    check_warehouse(rail, &request.warehouse).await?;

    rail.transact(|tx, now| {
        let request = request.clone();
        Box::pin(async move {
            let Request {
                causation_id,
                fingerprint,
                sku,
                warehouse,
                adjustment,
                note,
            } = request;
            if matches!(adjustment, Adjustment::Receipt { .. }) {
                store::ensure_level(tx, &sku, &warehouse).await?;
            }
            let mut book = load(tx, &sku).await?;
            // Asked under the SKU's lock, which a twin of this request waits for.
            if let Some(before) = store::find_adjustment(tx, causation_id).await? {
                if before.fingerprint == fingerprint {
                    return Ok((Json(before.answer), Outgoing::none()));
                }
                return Err(key_reused());
            }

            let events =
                domain::adjust(&mut book, &sku, &warehouse, adjustment, note, causation_id)
                    .map_err(|refusal| refused(refusal, &sku, &warehouse))?;

            store::save(tx, &book, now).await?;
            let level = level_view(&book, &sku, &warehouse);
            let answer = answer(&Adjusted {
                causation_id,
                sku,
                level,
            });
            store::save_adjustment(tx, causation_id, &fingerprint, &answer)
                .await
                // A twin for another SKU holds another lock, and came first.
                .on_constraint("stock_adjustments_pkey", key_reused)?;

            let cause = Cause {
                id: causation_id,
                ..Cause::request()
            };
            Ok((Json(answer), Outgoing::caused_by(&cause, events)))
        })
    })
    .await
}

async fn load(tx: &mut PgConnection, sku: &str) -> Result<Book, sqlx::Error> {
    let stock = store::load_stock(tx, &[sku.to_owned()]).await?;
    Ok(Book::new(HashMap::new(), stock))
}

async fn check_warehouse(rail: &Rail, code: &str) -> Result<(), ApiError> {
    if !code.contains('\0') && store::warehouse_exists(&mut *rail.connection().await?, code).await?
    {
        return Ok(());
    }
    Err(unknown_warehouse(code))
}

fn level_view(book: &Book, sku: &str, warehouse: &str) -> LevelView {
    book.stock
        .level(sku, warehouse)
        .expect("the domain has just changed this level")
        .into()
}

fn answer(adjusted: &impl Serialize) -> Value {
    serde_json::to_value(adjusted).expect("an answer of strings and numbers serializes")
}

/// A name-based id (UUID version 8): the same caller and key give the same.
fn causation_id(caller: &Caller, key: &IdempotencyKey) -> Uuid {
    let digest = fingerprint(&("stock-adjustment", &caller.subject, &key.0));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn key_reused() -> ApiError {
    ApiError::unprocessable(
        "idempotency-key-reused",
        "this `Idempotency-Key` was used for another request; use a new one",
    )
}

fn refused(refusal: Refusal, sku: &str, warehouse: &str) -> ApiError {
    match refusal {
        Refusal::UnknownLevel => ApiError::not_found(
            "stock-not-found",
            format!("no {sku} has ever been in {warehouse}; book a receipt first"),
        ),
        Refusal::BelowReserved { on_hand, reserved } => ApiError::conflict(
            "stock-reserved",
            format!(
                "of {on_hand} {sku} in {warehouse}, {reserved} are promised to orders; at most \
                 {} can be written off",
                on_hand - reserved
            ),
        ),
    }
}
