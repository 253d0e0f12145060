//! What a customer sends, and what must be right about it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use shared::contract::order::ShipTo;
use shared::http::error::{ApiError, FieldError};
use shared::http::json::Object;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::order::{Draft, DraftLine};

/// More is no longer an order of a kitchen; it keeps an order's events far below what Kafka takes.
const LINES_MAX: usize = 100;
const QUANTITY_MAX: i32 = 1000;
const SKU_LENGTH_MAX: usize = 64;
const TEXT_LENGTH_MAX: usize = 128;
const REFERENCE_LENGTH_MAX: usize = 64;
const CARD_LENGTH_MAX: usize = 64;
const CHANNEL_LENGTH_MAX: usize = 32;

/// Prices are not part of it: they come from the price list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PlaceOrder {
    /// 1 to 100, each SKU once.
    #[schema(value_type = Vec<Line>, min_items = 1, max_items = 100)]
    lines: Vec<Object<Line>>,
    /// `web`, `amazon`, `shopify`, `ebay`, or another channel's short name.
    #[serde(default = "web")]
    #[schema(example = "web", pattern = "^[a-z][a-z0-9_-]{1,31}$")]
    channel: String,
    /// The channel's own order number, unique per channel.
    #[serde(default)]
    #[schema(max_length = 64)]
    external_ref: Option<String>,
    #[schema(value_type = Address)]
    ship_to: Object<Address>,
    /// Default: the card that is on file for the customer.
    #[serde(default)]
    #[schema(value_type = Option<Payment>)]
    payment: Option<Object<Payment>>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Line {
    /// See `GET /v1/products`.
    #[schema(example = "KETTLE")]
    sku: String,
    #[schema(example = 2, minimum = 1, maximum = 1000)]
    quantity: i32,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Address {
    #[schema(example = "Alice Example")]
    name: String,
    #[schema(example = "Am Markt 1")]
    street: String,
    #[schema(example = "10115")]
    postal_code: String,
    #[schema(example = "Berlin")]
    city: String,
    /// ISO 3166 alpha-2.
    #[schema(example = "DE", pattern = "^[A-Z]{2}$")]
    country: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Payment {
    /// Token of the card, never its number.
    #[schema(example = "tok_visa", pattern = "^[A-Za-z0-9_-]{1,64}$")]
    card_token: String,
}

impl From<Address> for ShipTo {
    fn from(address: Address) -> Self {
        Self {
            name: address.name,
            street: address.street,
            postal_code: address.postal_code,
            city: address.city,
            country: address.country,
        }
    }
}

fn web() -> String {
    "web".to_owned()
}

impl PlaceOrder {
    /// Checks everything that needs no database, so that one bad request cannot fail those it would
    /// share a transaction with.
    pub(super) fn draft(self, order_id: Uuid, customer_id: String) -> Result<Draft, ApiError> {
        let errors = self.errors();
        if !errors.is_empty() {
            return Err(ApiError::invalid(errors));
        }
        let card = match self.payment {
            Some(Object(payment)) => payment.card_token,
            None => format!("on-file-{customer_id}"),
        };
        Ok(Draft {
            order_id,
            customer_id,
            channel: self.channel,
            external_ref: self.external_ref,
            lines: self
                .lines
                .into_iter()
                .map(|Object(line)| DraftLine {
                    sku: line.sku,
                    quantity: line.quantity,
                })
                .collect(),
            ship_to: self.ship_to.0.into(),
            card,
        })
    }

    fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut check = |right: bool, field: &str, detail: String| {
            if !right {
                errors.push(FieldError {
                    field: field.to_owned(),
                    detail,
                });
            }
        };

        let count = self.lines.len();
        check(
            (1..=LINES_MAX).contains(&count),
            "lines",
            format!("must have 1 to {LINES_MAX} lines, not {count}"),
        );
        let mut skus = HashSet::new();
        for (position, line) in self.lines.iter().enumerate().take(LINES_MAX) {
            let sku = format!("lines[{position}].sku");
            check(
                is_text(&line.sku, SKU_LENGTH_MAX),
                &sku,
                text_rule(SKU_LENGTH_MAX),
            );
            check(
                skus.insert(&line.sku),
                &sku,
                "must not be in an earlier line".to_owned(),
            );
            check(
                (1..=QUANTITY_MAX).contains(&line.quantity),
                &format!("lines[{position}].quantity"),
                format!("must be 1 to {QUANTITY_MAX}"),
            );
        }
        check(
            is_channel(&self.channel),
            "channel",
            format!(
                "must be 2 to {CHANNEL_LENGTH_MAX} characters of a-z, 0-9, `_` and `-`, and begin \
                 with a letter"
            ),
        );
        check(
            self.external_ref
                .as_ref()
                .is_none_or(|text| is_text(text, REFERENCE_LENGTH_MAX)),
            "external_ref",
            text_rule(REFERENCE_LENGTH_MAX),
        );
        for (field, text) in [
            ("ship_to.name", &self.ship_to.name),
            ("ship_to.street", &self.ship_to.street),
            ("ship_to.postal_code", &self.ship_to.postal_code),
            ("ship_to.city", &self.ship_to.city),
        ] {
            check(
                is_text(text, TEXT_LENGTH_MAX),
                field,
                text_rule(TEXT_LENGTH_MAX),
            );
        }
        let country = &self.ship_to.country;
        check(
            country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()),
            "ship_to.country",
            "must be two capital letters, such as DE".to_owned(),
        );
        if let Some(payment) = &self.payment {
            let card = &payment.card_token;
            check(
                is_token(card),
                "payment.card_token",
                format!("must be 1 to {CARD_LENGTH_MAX} characters of a-z, A-Z, 0-9, `_` and `-`"),
            );
            check(
                !is_card_number(card),
                "payment.card_token",
                "must be a token; never send the number of a card".to_owned(),
            );
        }
        errors
    }
}

/// Printable, and neither blank nor endless. What is printed on parcels and in mails has no control
/// characters, no line or paragraph separators, and nothing that turns the direction of writing.
fn is_text(text: &str, length_max: usize) -> bool {
    text.chars().any(char::is_alphanumeric)
        && text.chars().count() <= length_max
        && !text.chars().any(|c| {
            let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || direction
        })
}

fn text_rule(length_max: usize) -> String {
    format!(
        "must be 1 to {length_max} characters, a letter or digit among them and none of control"
    )
}

fn is_channel(channel: &str) -> bool {
    (2..=CHANNEL_LENGTH_MAX).contains(&channel.len())
        && channel.starts_with(|c: char| c.is_ascii_lowercase())
        && channel
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}

fn is_token(token: &str) -> bool {
    (1..=CARD_LENGTH_MAX).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn is_card_number(token: &str) -> bool {
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    (12..=19).contains(&digits) && token.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::http::json::Object;
    use uuid::Uuid;

    use super::{LINES_MAX, PlaceOrder};

    fn order() -> Value {
        json!({
            "lines": [{"sku": "KETTLE", "quantity": 2}, {"sku": "MUG", "quantity": 1}],
            "channel": "amazon",
            "external_ref": "302-1",
            "ship_to": {
                "name": "Ålice O'Neill", "street": "Am Markt 1", "postal_code": "10115",
                "city": "Berlin", "country": "DE"
            },
            "payment": {"card_token": "tok_visa"}
        })
    }

    /// Puts one value into a good order and expects one field at fault.
    #[track_caller]
    fn check(path: &str, value: Value, field: Option<&str>) {
        let mut order = order();
        *order.pointer_mut(path).expect("a path of the order") = value.clone();
        let body: PlaceOrder = serde_json::from_value(order).expect("the right form");
        let errors = body.errors();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            Vec::from_iter(field),
            "{path} = {value}: {errors:?}"
        );
    }

    #[test]
    fn a_field_at_fault_is_named() {
        check("/channel", json!("web"), None);
        check("/channel", json!("Web"), Some("channel"));
        check("/channel", json!("w"), Some("channel"));
        check("/channel", json!("1and1"), Some("channel"));
        check("/channel", json!("a".repeat(33)), Some("channel"));
        check("/lines", json!([]), Some("lines"));
        check("/lines/0/quantity", json!(0), Some("lines[0].quantity"));
        check("/lines/0/quantity", json!(-1), Some("lines[0].quantity"));
        check("/lines/1/quantity", json!(1000), None);
        check("/lines/1/quantity", json!(1001), Some("lines[1].quantity"));
        check("/lines/1/sku", json!("KETTLE"), Some("lines[1].sku"));
        check("/lines/1/sku", json!(""), Some("lines[1].sku"));
        check("/external_ref", json!(null), None);
        check("/external_ref", json!(" "), Some("external_ref"));
        check("/external_ref", json!("x".repeat(65)), Some("external_ref"));
        check(
            "/ship_to/name",
            json!("A\r\nBcc: all@example.com"),
            Some("ship_to.name"),
        );
        check("/ship_to/name", json!("A\u{2028}B"), Some("ship_to.name"));
        check(
            "/ship_to/city",
            json!("x".repeat(129)),
            Some("ship_to.city"),
        );
        check("/ship_to/city", json!("é".repeat(128)), None);
        check("/ship_to/country", json!("de"), Some("ship_to.country"));
        check("/ship_to/country", json!("DEU"), Some("ship_to.country"));
        check("/payment", json!(null), None);
        check(
            "/payment/card_token",
            json!("tok visa"),
            Some("payment.card_token"),
        );
        check(
            "/payment/card_token",
            json!("4111-1111-1111-1111"),
            Some("payment.card_token"),
        );
        check(
            "/payment/card_token",
            json!("4111111111111111"),
            Some("payment.card_token"),
        );
    }

    #[test]
    fn a_hundred_and_first_line_is_refused() {
        let lines: Vec<_> = (0..101)
            .map(|n| json!({"sku": format!("SKU{n}"), "quantity": 1}))
            .collect();
        check("/lines", json!(lines), Some("lines"));
    }

    #[test]
    fn a_price_of_the_customers_own_is_refused() {
        for (path, field) in [
            ("/lines/0", "unit_price_minor"),
            ("", "total"),
            ("", "customer_id"),
        ] {
            let mut order = order();
            order.pointer_mut(path).expect("a path of the order")[field] = json!(1);
            assert!(
                serde_json::from_value::<PlaceOrder>(order).is_err(),
                "{path}/{field}"
            );
        }
    }

    #[test]
    fn an_order_of_any_kind_is_taken_as_it_would_be_sent_again_or_refused() {
        shared::fuzz::run("order_json", &[order().to_string().into_bytes()], |bytes| {
            let Ok(Object(body)) = serde_json::from_slice::<Object<PlaceOrder>>(bytes) else {
                return false;
            };
            let sent_again = serde_json::to_vec(&body).expect("an order is JSON");
            let again: PlaceOrder = serde_json::from_slice(&sent_again).expect("it is an order");
            assert_eq!(
                shared::http::idempotency::fingerprint(&again),
                shared::http::idempotency::fingerprint(&body)
            );
            let Ok(draft) = body.draft(Uuid::from_u128(1), "alice".to_owned()) else {
                return false;
            };
            assert!((1..=LINES_MAX).contains(&draft.lines.len()));
            assert!(draft.lines.iter().all(|line| line.quantity >= 1));
            assert!(!draft.ship_to.name.contains(char::is_control));
            true
        });
    }
}
