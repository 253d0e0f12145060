//! The chain of one order, step by step.

use std::time::Duration;

use axum::http::StatusCode;
use lettre::message::Mailbox;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::PlaceOrder;
use crate::store::{self, Reserved};

/// The gateway's own promise is to answer within this.
const CHARGE_TIMEOUT: Duration = Duration::from_secs(4);
const MAIL_TIMEOUT: Duration = Duration::from_secs(2);
const MAIL_TRIES: u32 = 3;
const MAIL_PAUSE: Duration = Duration::from_millis(200);
const MAIL_CONNECTIONS_MAX: u32 = 16;

pub(crate) struct Shop {
    pool: PgPool,
    http: reqwest::Client,
    gateway_url: String,
    mails: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Why there is no order.
#[derive(Debug)]
pub(crate) enum Refusal {
    OutOfStock,
    NotCharged(String),
    Database(sqlx::Error),
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::OutOfStock => StatusCode::CONFLICT,
            Self::NotCharged(_) => StatusCode::BAD_GATEWAY,
            Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfStock => write!(f, "there are not so many"),
            Self::NotCharged(why) => write!(f, "the payment failed: {why}"),
            Self::Database(error) => write!(f, "the database: {error}"),
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl Shop {
    pub(crate) fn new(pool: PgPool, gateway_url: String, smtp_url: &str) -> anyhow::Result<Self> {
        let mails = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url)?
            .timeout(Some(MAIL_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(MAIL_CONNECTIONS_MAX))
            .build();
        Ok(Self {
            pool,
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(CHARGE_TIMEOUT)
                .build()?,
            gateway_url,
            mails,
            from: "Shop <orders@shop.example>".parse()?,
        })
    }

    pub(crate) async fn place(&self, order: &PlaceOrder, key: &str) -> Result<Uuid, Refusal> {
        let (id, total) = match store::reserve(&self.pool, order, key).await? {
            Reserved::Now { id, total_minor } => (id, total_minor),
            Reserved::Before(id) => return Ok(id),
            Reserved::OutOfStock => return Err(Refusal::OutOfStock),
        };
        if let Err(why) = self.charge(id, total).await {
            store::undo(&self.pool, id, order).await?;
            return Err(Refusal::NotCharged(why));
        }
        store::book_charge(&self.pool, id, &order.customer_id, total).await?;
        if self.mail(order, id).await {
            store::book_mail(&self.pool, id).await?;
        }
        Ok(id)
    }

    async fn charge(&self, id: Uuid, total_minor: i64) -> Result<(), String> {
        let charged = self
            .http
            .post(&self.gateway_url)
            .header("Idempotency-Key", id.to_string())
            .json(&json!({ "amount_minor": total_minor, "currency": "EUR" }))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status);
        charged.map(drop).map_err(|error| error.to_string())
    }

    /// Whether the mail server has taken it.
    async fn mail(&self, order: &PlaceOrder, id: Uuid) -> bool {
        let Ok(to) = format!("{}@customers.example", order.customer_id).parse() else {
            return false;
        };
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject("Your order is confirmed")
            .body(format!("Order {id}: {} of {}.", order.quantity, order.sku));
        let Ok(mail) = mail else { return false };
        for attempt in 1..=MAIL_TRIES {
            if self.mails.send(mail.clone()).await.is_ok() {
                return true;
            }
            if attempt < MAIL_TRIES {
                tokio::time::sleep(MAIL_PAUSE).await;
            }
        }
        false
    }
}
