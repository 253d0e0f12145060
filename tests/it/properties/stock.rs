//! Stock, against a shelf and what each order did to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::DateTime;
use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use serde_json::json;
use shared::contract::CATALOGUE;
use shared::contract::order::{CancelReason, OrderCancelled, OrderLine, OrderPlaced, ShipTo};
use shared::contract::shipment::{PickingListVoided, ShipmentDispatched};
use shared::event::{AnyEvent, new_id};
use shared::testing::{Driver, TestRecord};
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{check, runtime};
use crate::harness::world::Settings;
use crate::harness::{World, defaults};

const WAREHOUSE: &str = "BER";
const ON_HAND: i64 = 6;
const ORDERS: usize = 5;

/// What may come about one of a few orders.
#[derive(Debug, Clone, Copy)]
enum On {
    Placed(i32),
    Cancelled { was_confirmed: bool },
    Voided,
    Dispatched,
}

/// How an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Held(i32),
    Releasing(i32),
    Released,
    Shipped,
    /// It can never hold anything.
    Buried,
}

/// The model.
#[derive(Debug, Default)]
struct Shelf {
    shipped: i64,
    reserved: i64,
    orders: HashMap<usize, Fate>,
}

impl Shelf {
    /// False where shipment says what it cannot say: that is a dead letter, and not tried here.
    fn take(&mut self, order: usize, on: On) -> bool {
        use Fate::{Buried, Held, Released, Releasing, Shipped};
        let fate = self.orders.get(&order).copied();
        let next = match (on, fate) {
            (On::Placed(_), Some(fate)) => fate,
            (On::Placed(units), None) => {
                if i64::from(units) <= ON_HAND - self.shipped - self.reserved {
                    self.reserved += i64::from(units);
                    Held(units)
                } else {
                    Buried
                }
            }
            (On::Cancelled { .. }, None | Some(Buried)) => Buried,
            (On::Cancelled { .. }, Some(fate @ (Released | Shipped))) => fate,
            (
                On::Cancelled {
                    was_confirmed: true,
                },
                Some(Held(units) | Releasing(units)),
            ) => Releasing(units),
            (On::Cancelled { .. } | On::Voided, Some(Held(units) | Releasing(units))) => {
                self.reserved -= i64::from(units);
                Released
            }
            (On::Voided, None) => return true,
            (On::Voided, Some(fate @ (Released | Buried))) => fate,
            (On::Dispatched, Some(Held(units) | Releasing(units))) => {
                self.reserved -= i64::from(units);
                self.shipped += i64::from(units);
                Shipped
            }
            (On::Dispatched, Some(Shipped)) => Shipped,
            (On::Voided, Some(Shipped)) | (On::Dispatched, None | Some(Released | Buried)) => {
                return false;
            }
        };
        self.orders.insert(order, next);
        true
    }
}

/// Also whether the record comes again later, and whether a batch ends with it.
fn events() -> impl Strategy<Value = Vec<(usize, On, bool, bool)>> {
    let on = prop_oneof![
        3 => (1..5).prop_map(On::Placed),
        2 => any::<bool>().prop_map(|was_confirmed| On::Cancelled { was_confirmed }),
        1 => proptest::strategy::Just(On::Voided),
        2 => proptest::strategy::Just(On::Dispatched),
    ];
    vec((0..ORDERS, on, any::<bool>(), any::<bool>()), 1..24)
}

#[test]
fn any_course_of_orders_leaves_the_stock_that_the_model_has() {
    let runtime = runtime();
    let (world, pool, driver) = runtime.block_on(async {
        let world = World::empty().await;
        let url = world.database_url("inventory");
        let driver = Driver::new(
            "inventory",
            inventory::event_handler(&defaults::of(&[])),
            url,
            &world.parts.endpoints.registry,
            CATALOGUE,
        )
        .await
        .expect("the driver starts");
        let pool = PgPool::connect(url).await.expect("inventory's database");
        (world, pool, Mutex::new(driver))
    });
    let (cases, offset) = (AtomicU32::new(0), AtomicU32::new(0));

    check(&runtime, 100, &events(), async |events| {
        let sku = format!("CASE-{}", cases.fetch_add(1, Ordering::Relaxed));
        put_on_shelf(&pool, &sku).await;
        let orders: Vec<Uuid> = (0..ORDERS).map(|_| new_id()).collect();
        let mut driver = driver.lock().await;
        let mut shelf = Shelf::default();
        let mut versions: HashMap<(usize, &str), i32> = HashMap::new();
        let mut batch: Vec<TestRecord> = Vec::new();
        let mut again = Vec::new();
        for (order, on, repeated, ends_batch) in events {
            if !shelf.take(order, on) {
                continue;
            }
            let event = event(orders[order], &sku, on);
            let version = versions.entry((order, event.schema().topic.0)).or_default();
            *version += 1;
            let at = i64::from(offset.fetch_add(1, Ordering::Relaxed));
            let record = driver.record(&*event, new_id(), *version, at, DateTime::UNIX_EPOCH, None);
            if repeated {
                again.push(record.clone());
            }
            batch.push(record);
            if ends_batch {
                driver.process(&std::mem::take(&mut batch)).await?;
                compare(&pool, &sku, &orders, &shelf).await?;
            }
        }
        for record in again {
            let at = i64::from(offset.fetch_add(1, Ordering::Relaxed));
            batch.push(record.at(at));
        }
        driver.process(&batch).await?;
        compare(&pool, &sku, &orders, &shelf).await
    });

    runtime.block_on(world.close());
}

async fn put_on_shelf(pool: &PgPool, sku: &str) {
    for statement in [
        "INSERT INTO skus (sku) VALUES ($1)",
        "INSERT INTO stock (sku, warehouse, on_hand) VALUES ($1, 'BER', 6)",
        "INSERT INTO stock_ledger (at, causation_id, reason, skus, warehouses, d_on_hand,
                                   d_reserved)
         VALUES (now(), gen_random_uuid(), 'receive', ARRAY[$1::text], ARRAY['BER'], ARRAY[6],
                 ARRAY[0])",
    ] {
        let put = sqlx::query(statement).bind(sku).execute(pool).await;
        put.expect("a new article");
    }
}

fn event(order_id: Uuid, sku: &str, on: On) -> Box<dyn AnyEvent> {
    let customer_id = "carol".to_owned();
    match on {
        On::Placed(quantity) => Box::new(OrderPlaced {
            order_id,
            customer_id,
            channel: "web".to_owned(),
            external_ref: None,
            lines: vec![OrderLine {
                sku: sku.to_owned(),
                quantity,
                unit_price_minor: 1,
            }],
            currency: "EUR".to_owned(),
            total_minor: i64::from(quantity),
            ship_to: ShipTo {
                name: "Carol".to_owned(),
                street: "Street 1".to_owned(),
                postal_code: "10115".to_owned(),
                city: "Berlin".to_owned(),
                country: "DE".to_owned(),
            },
        }),
        On::Cancelled { was_confirmed } => Box::new(OrderCancelled {
            order_id,
            customer_id,
            reason: CancelReason::Customer,
            detail: String::new(),
            was_confirmed,
        }),
        On::Voided => Box::new(PickingListVoided {
            order_id,
            picking_list_ids: Vec::new(),
        }),
        On::Dispatched => Box::new(ShipmentDispatched {
            order_id,
            customer_id,
            shipment_id: order_id,
            warehouse: WAREHOUSE.to_owned(),
            carrier: "simpost".to_owned(),
            tracking_number: order_id.to_string(),
            lines: Vec::new(),
        }),
    }
}

async fn compare(pool: &PgPool, sku: &str, orders: &[Uuid], shelf: &Shelf) -> Result<(), String> {
    let said = |error: sqlx::Error| error.to_string();
    let level: (i64, i64) = sqlx::query_as("SELECT on_hand, reserved FROM stock WHERE sku = $1")
        .bind(sku)
        .fetch_one(pool)
        .await
        .map_err(said)?;
    let booked: (i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(d_on_hand), 0), coalesce(sum(d_reserved), 0)
         FROM stock_ledger_lines WHERE sku = $1",
    )
    .bind(sku)
    .fetch_one(pool)
    .await
    .map_err(said)?;
    let expected = (ON_HAND - shelf.shipped, shelf.reserved);
    if level != expected || booked != expected {
        return Err(format!(
            "stock is {level:?}, booked {booked:?}, not {expected:?}"
        ));
    }
    for (order, order_id) in orders.iter().enumerate() {
        let state: Option<String> = sqlx::query_scalar(
            "SELECT state FROM reservations WHERE order_id = $1
             UNION ALL
             SELECT 'buried' FROM tombstones WHERE order_id = $1",
        )
        .bind(order_id)
        .fetch_optional(pool)
        .await
        .map_err(said)?;
        let expected = shelf.orders.get(&order).map(|fate| match fate {
            Fate::Held(_) => "held",
            Fate::Releasing(_) => "releasing",
            Fate::Released => "released",
            Fate::Shipped => "shipped",
            Fate::Buried => "buried",
        });
        if state.as_deref() != expected {
            return Err(format!("order {order} is {state:?}, not {expected:?}"));
        }
    }
    let refused: i64 =
        sqlx::query_scalar("SELECT count(*) FROM processed_events WHERE outcome <> 0")
            .fetch_one(pool)
            .await
            .map_err(said)?;
    if refused > 0 {
        return Err(format!("{refused} records were not applied"));
    }
    Ok(())
}

/// Units in or out by hand, and whether the request is sent twice.
fn adjustments() -> impl Strategy<Value = Vec<(i32, bool)>> {
    let units = prop_oneof![1..6, -5..0];
    vec((units, any::<bool>()), 1..10)
}

#[test]
fn adjustments_at_the_same_time_add_up_and_never_below_nothing() {
    let runtime = runtime();
    let world = runtime.block_on(async {
        let mut world = World::empty().await;
        world.run("inventory", &Settings::default()).await;
        world
    });
    let cases = AtomicU32::new(0);

    check(&runtime, 24, &adjustments(), async |adjustments| {
        let sku = format!("BY-HAND-{}", cases.fetch_add(1, Ordering::Relaxed));
        put_on_shelf(world.pool("inventory"), &sku).await;
        let staff = world.staff("sam", "stock");
        let sent = adjustments
            .iter()
            .enumerate()
            .flat_map(|(at, (units, twice))| {
                let (path, body) = if *units > 0 {
                    (
                        "receipts",
                        json!({ "warehouse": WAREHOUSE, "quantity": units, "reason": "in" }),
                    )
                } else {
                    (
                        "corrections",
                        json!({ "warehouse": WAREHOUSE, "delta": units, "reason": "out" }),
                    )
                };
                let url = world.url("inventory", &format!("/v1/stock/{sku}/{path}"));
                let (staff, key) = (&staff, format!("{sku}-{at}"));
                (0..1 + usize::from(*twice)).map(move |_| {
                    let (url, key, body) = (url.clone(), key.clone(), body.clone());
                    async move { (at, staff.post_once(&url, &key, &body).await) }
                })
            });
        let mut accepted = HashMap::new();
        for (at, answer) in join_all(sent).await {
            let answer = answer.map_err(|error| error.to_string())?;
            match answer.status.as_u16() {
                200 => *accepted.entry(at).or_insert(0) = i64::from(adjustments[at].0),
                // What is not there cannot be written off.
                409 => {}
                _ => return Err(format!("{}: {}", answer.status, answer.body)),
            }
        }
        let expected = ON_HAND + accepted.values().sum::<i64>();
        let pool = world.pool("inventory");
        let (on_hand, booked): (i64, i64) = sqlx::query_as(
            "SELECT on_hand, (SELECT coalesce(sum(d_on_hand), 0) FROM stock_ledger_lines AS l
                              WHERE l.sku = s.sku)
             FROM stock AS s WHERE sku = $1",
        )
        .bind(&sku)
        .fetch_one(pool)
        .await
        .map_err(|error| error.to_string())?;
        if on_hand != expected || booked != expected || on_hand < 0 {
            return Err(format!(
                "{on_hand} on hand, {booked} booked, {expected} accepted"
            ));
        }
        Ok(())
    });

    runtime.block_on(world.close());
}
