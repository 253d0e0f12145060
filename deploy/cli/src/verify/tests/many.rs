//! The laws over many orders: what they take, and that size alone breaks none.
//!
//! ```sh
//! VERIFY_ORDERS=1000000 cargo test -p ticketrail --lib laws_hold_over_many -- --nocapture
//! ```
//!
//! A million orders take some ten gigabytes for a while.

use std::time::Instant;

use sqlx::PgConnection;

use super::{HISTORY, WORLD, with_postgres};
use crate::local::Progress;
use crate::verify::database::CheckDatabase;
use crate::verify::laws;

const MANY: &str = include_str!("many.sql");
/// Of the small world.
const ORDERS: usize = 3;
const ORDERS_USUALLY: usize = 3_000;

#[tokio::test]
async fn laws_hold_over_many_orders() {
    let orders = std::env::var("VERIFY_ORDERS").map_or(ORDERS_USUALLY, |orders| {
        orders.parse().expect("VERIFY_ORDERS is a number")
    });
    let broken = with_postgres("many", async |admin| {
        let database = CheckDatabase::create(&admin, "ticketrail_check_many".to_owned()).await?;
        let mut check = database.connect().await?;
        let broken = judge(&mut check, orders).await;
        database.drop().await?;
        broken
    })
    .await;
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

async fn judge(check: &mut PgConnection, orders: usize) -> anyhow::Result<Vec<String>> {
    let progress = Progress::to_stderr();
    let mut begun = Instant::now();
    let mut say = |what: &str| {
        let took = begun.elapsed().as_millis();
        progress.say("laws", format!("{what:<8} {took:>8} ms"));
        begun = Instant::now();
    };
    sqlx::raw_sql(WORLD).execute(&mut *check).await?;
    sqlx::raw_sql(HISTORY).execute(&mut *check).await?;
    sqlx::query("SELECT set_config('many.worlds', $1, false)")
        .bind((orders / ORDERS).to_string())
        .execute(&mut *check)
        .await?;
    sqlx::raw_sql(MANY).execute(&mut *check).await?;
    say("made");
    laws::prepare(check).await?;
    say("prepared");
    let mut broken = Vec::new();
    for law in laws::all(true) {
        let result = law.check(check).await?;
        say(result.law);
        if result.violations > 0 {
            broken.push(format!("{result:?}"));
        }
    }
    let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(check)
        .await?;
    progress.say("laws", format!("{} MB of tables", bytes / 1_000_000));
    Ok(broken)
}
