//! Where customers want their mail.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use sqlx::{PgConnection, PgExecutor, Row};

/// By customer.
pub(crate) type Contacts = HashMap<String, Mailbox>;

#[tracing::instrument(name = "db.contacts.load", skip_all)]
pub(crate) async fn load_contacts(
    db: impl PgExecutor<'_>,
    customers: &BTreeSet<String>,
) -> Result<Contacts, sqlx::Error> {
    let sql = "SELECT customer_id, name, email FROM contacts WHERE customer_id = ANY($1)";
    let customers: Vec<_> = customers.iter().map(String::as_str).collect();
    let rows = sqlx::query(sql).bind(customers).fetch_all(db).await?;
    rows.iter()
        .map(|row| {
            let email = row.try_get::<&str, _>("email")?.parse();
            let email = email.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok((
                row.try_get("customer_id")?,
                Mailbox::new(row.try_get("name")?, email),
            ))
        })
        .collect()
}

#[tracing::instrument(name = "db.contacts.save", skip_all)]
pub(crate) async fn save_contact(
    tx: &mut PgConnection,
    customer_id: &str,
    name: &str,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let sql = "
        INSERT INTO contacts (customer_id, name, email, updated_at)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT (customer_id) DO UPDATE
           SET name = EXCLUDED.name, email = EXCLUDED.email, updated_at = EXCLUDED.updated_at";
    sqlx::query(sql)
        .bind(customer_id)
        .bind(name)
        .bind(email)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}
