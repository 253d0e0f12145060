//! What is sent and answered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::http::error::{ApiError, FieldError};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::{Channel, Level, available_to_sell};
use crate::store::{LedgerLine, StockRow};

/// More in one go is a slip of the finger.
pub(super) const UNITS_MAX: i32 = 1_000_000;
const THRESHOLD_MAX: i64 = 1_000_000_000;
const REASON_CHARS_MAX: usize = 200;

/// Units that came in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Receipt {
    /// Code of the warehouse.
    #[schema(example = "BER")]
    pub(super) warehouse: String,
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(super) quantity: i32,
    /// For the audit.
    #[schema(min_length = 1, max_length = 200, example = "delivery note 4711")]
    pub(super) reason: String,
}

/// What counting found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Correction {
    /// Code of the warehouse.
    #[schema(example = "BER")]
    pub(super) warehouse: String,
    /// Units more, or fewer, than the book says.
    #[schema(minimum = -1_000_000, maximum = 1_000_000)]
    pub(super) delta: i32,
    /// For the audit.
    #[schema(min_length = 1, max_length = 200, example = "two broken in transport")]
    pub(super) reason: String,
}

/// When to be told that stock runs low.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Threshold {
    /// Code of the warehouse.
    #[schema(example = "BER")]
    pub(super) warehouse: String,
    /// The alarm is raised when fewer units than this are free; 0 never raises it.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub(super) threshold: i64,
}

impl Receipt {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let quantity = (1..=UNITS_MAX).contains(&self.quantity);
        refuse_if_any([
            (!quantity).then(|| field("quantity", format!("must be 1 to {UNITS_MAX}"))),
            check_reason(&self.reason),
        ])
    }
}

impl Correction {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let delta = self.delta != 0 && (-UNITS_MAX..=UNITS_MAX).contains(&self.delta);
        refuse_if_any([
            (!delta).then(|| {
                field(
                    "delta",
                    format!("must be -{UNITS_MAX} to {UNITS_MAX}, and not 0"),
                )
            }),
            check_reason(&self.reason),
        ])
    }
}

impl Threshold {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let threshold = (0..=THRESHOLD_MAX).contains(&self.threshold);
        refuse_if_any([
            (!threshold).then(|| field("threshold", format!("must be 0 to {THRESHOLD_MAX}")))
        ])
    }
}

/// The same as `skus_sku_readable` in the migration.
pub(super) fn check_new_sku(sku: &str) -> Result<(), ApiError> {
    let readable = sku.len() <= 64
        && sku.starts_with(|c: char| c.is_ascii_alphanumeric())
        && sku
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    refuse_if_any([(!readable).then(|| {
        field(
            "sku",
            "must be 1 to 64 letters, digits, `.`, `_` or `-`, a letter or digit first",
        )
    })])
}

pub(super) fn unknown_warehouse(code: &str) -> ApiError {
    ApiError::invalid_field("warehouse", format!("there is no warehouse {code}"))
}

fn check_reason(reason: &str) -> Option<FieldError> {
    let usable = !reason.trim().is_empty()
        && reason.chars().count() <= REASON_CHARS_MAX
        && !reason.contains(char::is_control);
    (!usable).then(|| {
        field(
            "reason",
            format!("must be 1 to {REASON_CHARS_MAX} characters, none of control"),
        )
    })
}

pub(super) fn field(field: &str, detail: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        detail: detail.into(),
    }
}

pub(super) fn refuse_if_any<const N: usize>(
    errors: [Option<FieldError>; N],
) -> Result<(), ApiError> {
    let errors: Vec<FieldError> = errors.into_iter().flatten().collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(errors))
    }
}

/// Units of one SKU in one warehouse.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct LevelView {
    warehouse: String,
    on_hand: i64,
    /// Promised to orders, and still here.
    reserved: i64,
    /// Free: on hand and not reserved.
    available: i64,
    threshold: i64,
    /// The low-stock alarm was raised and has not re-armed.
    low: bool,
}

impl From<StockRow> for LevelView {
    fn from(row: StockRow) -> Self {
        Self {
            warehouse: row.warehouse,
            on_hand: row.on_hand,
            reserved: row.reserved,
            available: row.on_hand - row.reserved,
            threshold: row.threshold,
            low: row.low,
        }
    }
}

impl From<&Level> for LevelView {
    fn from(level: &Level) -> Self {
        Self {
            warehouse: level.warehouse.clone(),
            on_hand: level.on_hand,
            reserved: level.reserved,
            available: level.available(),
            threshold: level.threshold,
            low: level.low,
        }
    }
}

/// One SKU over all warehouses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StockView {
    pub(super) sku: String,
    on_hand: i64,
    reserved: i64,
    available: i64,
    /// What each channel may sell.
    channels: BTreeMap<String, i64>,
    warehouses: Vec<LevelView>,
}

impl StockView {
    /// From rows that are sorted by SKU.
    pub(super) fn group(rows: Vec<StockRow>, channels: &[Channel]) -> Vec<Self> {
        let mut views: Vec<Self> = Vec::new();
        for row in rows {
            if views.last().is_none_or(|view| view.sku != row.sku) {
                views.push(Self {
                    sku: row.sku.clone(),
                    on_hand: 0,
                    reserved: 0,
                    available: 0,
                    channels: BTreeMap::new(),
                    warehouses: Vec::new(),
                });
            }
            let view = views
                .last_mut()
                .expect("the view of this SKU was just pushed");
            let level = LevelView::from(row);
            view.on_hand += level.on_hand;
            view.reserved += level.reserved;
            view.available += level.available;
            view.warehouses.push(level);
        }
        for view in &mut views {
            let levels = available_to_sell(view.available, channels);
            view.channels = levels
                .into_iter()
                .map(|level| (level.channel, level.available))
                .collect();
        }
        views
    }
}

/// A page of SKUs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StockPage {
    pub(super) items: Vec<StockView>,
    /// Send it as `cursor` for the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// A level after a change by hand.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct Adjusted {
    /// Finds the change in the ledger.
    pub(super) causation_id: Uuid,
    pub(super) sku: String,
    /// As the change left it; a repeat of the request is told the same.
    #[serde(flatten)]
    pub(super) level: LevelView,
}

/// A level with a new threshold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThresholdSet {
    pub(super) sku: String,
    #[serde(flatten)]
    pub(super) level: LevelView,
}

/// One change of one level.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerEntryView {
    at: DateTime<Utc>,
    /// The event or request behind the change.
    causation_id: Uuid,
    order_id: Option<Uuid>,
    /// `reserve`, `release`, `ship`, `receive` or `correct`.
    reason: String,
    /// Why, in the words of the staff.
    note: Option<String>,
    warehouse: String,
    /// Change of the units on hand.
    d_on_hand: i32,
    /// Change of the units reserved.
    d_reserved: i32,
}

impl From<LedgerLine> for LedgerEntryView {
    fn from(line: LedgerLine) -> Self {
        Self {
            at: line.at,
            causation_id: line.causation_id,
            order_id: line.order_id,
            reason: line.reason,
            note: line.note,
            warehouse: line.warehouse,
            d_on_hand: line.d_on_hand,
            d_reserved: line.d_reserved,
        }
    }
}

/// A page of the ledger, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LedgerPage {
    pub(super) items: Vec<LedgerEntryView>,
    /// Send it as `cursor` for older ones; null on the last page.
    pub(super) next_cursor: Option<String>,
}
