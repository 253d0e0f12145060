//! The saga in its tables, against what an order may come to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use shared::contract::CATALOGUE;
use shared::contract::fraud::{TransactionApproved, TransactionBlocked, TransactionHeld};
use shared::contract::inventory::{
    AllocatedLine, ReleasedLine, ReleasedStock, StockAllocation, StockRejected, StockReleased,
    StockReserved,
};
use shared::contract::shipment::{
    PickingListVoided, ShipmentDelivered, ShipmentDispatched, ShipmentFailed,
};
use shared::event::{AnyEvent, new_id};
use shared::testing::Driver;
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{check, runtime};
use crate::harness::world::{Settings, order_of};
use crate::harness::{World, defaults};

/// What may come. A number counts warehouses, or names one and its parcel.
#[derive(Debug, Clone, Copy)]
enum On {
    Reserved(usize),
    Rejected,
    Released,
    Approved,
    Held,
    Blocked,
    Voided,
    Dispatched(usize),
    Delivered(usize),
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Pending,
    Confirmed,
    Shipped,
    Completed,
    Cancelling,
    Cancelled,
}
use At::{Cancelled, Cancelling, Completed, Confirmed, Pending, Shipped};

/// The model.
struct Model {
    at: At,
    approved: bool,
    /// Parcels to expect, once stock is reserved.
    expected: Option<usize>,
    left: BTreeSet<usize>,
    arrived: BTreeSet<usize>,
    /// Inventory and shipment have yet to acknowledge.
    awaits: (bool, bool),
}

impl Model {
    /// False for what shipment cannot say: that is a dead letter, and not tried here.
    fn take(&mut self, on: On) -> bool {
        let before_pivot = matches!(self.at, Pending | Confirmed);
        match on {
            On::Reserved(parcels) if !matches!(self.at, Cancelling | Cancelled) => {
                self.expected.get_or_insert(parcels);
            }
            On::Approved if self.at == Pending => self.approved = true,
            On::Rejected if self.at == Pending && self.expected.is_none() => self.cancel(),
            // Nobody asked for it, so it is the acknowledgement as well.
            On::Released if before_pivot => {
                self.cancel();
                self.awaits.0 = false;
            }
            On::Blocked | On::Failed if before_pivot => self.cancel(),
            On::Released if self.at == Cancelling => self.awaits.0 = false,
            On::Voided if self.at == Cancelling => self.awaits.1 = false,
            On::Dispatched(_) if self.at == Cancelled => return false,
            On::Dispatched(parcel) => {
                self.left.insert(parcel);
                if self.at != Completed {
                    self.at = Shipped;
                }
                // It arrives later; what was reserved is looked at then.
                return true;
            }
            On::Delivered(parcel) if !self.left.contains(&parcel) => return false,
            On::Delivered(parcel) => {
                self.arrived.insert(parcel);
            }
            On::Reserved(_) | On::Approved | On::Rejected | On::Released | On::Blocked => {}
            On::Failed | On::Held | On::Voided => {}
        }
        if self.at == Pending && self.approved && self.expected.is_some() {
            self.at = Confirmed;
        }
        let all_arrived = self
            .expected
            .is_some_and(|parcels| self.arrived.len() >= parcels);
        if self.at == Shipped && all_arrived && matches!(on, On::Reserved(_) | On::Delivered(_)) {
            self.at = Completed;
        }
        if self.at == Cancelling && self.awaits == (false, false) {
            self.at = Cancelled;
        }
        true
    }

    fn cancel(&mut self) {
        self.at = Cancelling;
        self.awaits = (true, true);
    }
}

/// Also whether a batch ends with it.
fn events() -> impl Strategy<Value = Vec<(On, bool)>> {
    let on = prop_oneof![
        3 => (1..3_usize).prop_map(On::Reserved),
        1 => Just(On::Rejected),
        1 => Just(On::Released),
        3 => Just(On::Approved),
        1 => Just(On::Held),
        1 => Just(On::Blocked),
        2 => Just(On::Voided),
        3 => (0..2_usize).prop_map(On::Dispatched),
        3 => (0..2_usize).prop_map(On::Delivered),
        1 => Just(On::Failed),
    ];
    vec((on, any::<bool>()), 1..16)
}

const CASES: u32 = 100;
/// So many more while a case that failed is made smaller.
const ORDERS: u32 = 2 * CASES;

#[test]
fn any_course_of_answers_brings_an_order_where_the_model_is() {
    let runtime = runtime();
    let (world, pool, driver, orders) = runtime.block_on(async {
        let mut world = World::empty().await;
        world.run("order", &Settings::default()).await;
        let places = (0..ORDERS).map(|_| world.place("carol", order_of(&[("MUG", 1)])));
        let orders: Vec<Uuid> = futures::future::join_all(places).await;
        world.stop("order").await;
        let url = world.database_url("order").to_owned();
        let driver = Driver::new(
            "order",
            order::event_handler(&defaults::of(&[])),
            &url,
            &world.parts.endpoints.registry,
            CATALOGUE,
        )
        .await
        .expect("the driver starts");
        let pool = PgPool::connect(&url).await.expect("order's database");
        (world, pool, Mutex::new(driver), orders)
    });
    let (cases, offset) = (AtomicU32::new(0), AtomicU32::new(0));

    check(&runtime, CASES, &events(), async |events| {
        let case = cases.fetch_add(1, Ordering::Relaxed) as usize;
        let order_id = *orders
            .get(case)
            .ok_or("no order is left to make it smaller")?;
        let mut driver = driver.lock().await;
        let mut model = Model {
            at: Pending,
            approved: false,
            expected: None,
            left: BTreeSet::new(),
            arrived: BTreeSet::new(),
            awaits: (false, false),
        };
        let mut versions = std::collections::HashMap::new();
        let mut batch = Vec::new();
        for (on, ends_batch) in events.into_iter().chain([(On::Held, true)]) {
            if !model.take(on) {
                continue;
            }
            let event = event(order_id, on);
            let version: &mut i32 = versions.entry(event.schema().topic.0).or_default();
            *version += 1;
            let at = i64::from(offset.fetch_add(1, Ordering::Relaxed));
            let occurred_at = DateTime::UNIX_EPOCH;
            batch.push(driver.record(&*event, new_id(), *version, at, occurred_at, None));
            if !ends_batch {
                continue;
            }
            driver.process(&std::mem::take(&mut batch)).await?;
            let state: String = sqlx::query_scalar("SELECT state FROM sagas WHERE order_id = $1")
                .bind(order_id)
                .fetch_one(&pool)
                .await
                .map_err(|error| error.to_string())?;
            let expected = format!("{:?}", model.at).to_lowercase();
            if state != expected {
                return Err(format!("{state}, not {expected}"));
            }
        }
        Ok(())
    });

    let refused: i64 = runtime
        .block_on(
            sqlx::query_scalar("SELECT count(*) FROM processed_events WHERE outcome <> 0")
                .fetch_one(&pool),
        )
        .expect("the inbox");
    assert_eq!(refused, 0, "records that were not applied");
    runtime.block_on(world.close());
}

fn event(order_id: Uuid, on: On) -> Box<dyn AnyEvent> {
    let warehouse = |at: usize| ["BER", "MAD"][at].to_owned();
    // Each parcel of each order has its own id.
    let shipment_id = |at: usize| Uuid::from_u128(order_id.as_u128() ^ (1 + at as u128));
    let transaction_id = order_id;
    macro_rules! verdict {
        ($event:ident) => {
            Box::new($event {
                order_id,
                transaction_id,
                score: 0.5,
                model_version: "any".to_owned(),
                reasons: Vec::new(),
                decided_by: "model".to_owned(),
            })
        };
    }
    match on {
        On::Reserved(parcels) => Box::new(StockReserved {
            order_id,
            allocations: (0..parcels)
                .map(|at| StockAllocation {
                    warehouse: warehouse(at),
                    lines: vec![AllocatedLine {
                        sku: "MUG".to_owned(),
                        quantity: 1,
                    }],
                })
                .collect(),
            placement: String::new(),
        }),
        On::Rejected => Box::new(StockRejected {
            order_id,
            shortfalls: Vec::new(),
        }),
        On::Released => Box::new(StockReleased {
            order_id,
            released: vec![ReleasedStock {
                warehouse: warehouse(0),
                lines: vec![ReleasedLine {
                    sku: "MUG".to_owned(),
                    quantity: 1,
                }],
            }],
        }),
        On::Approved => verdict!(TransactionApproved),
        On::Held => verdict!(TransactionHeld),
        On::Blocked => verdict!(TransactionBlocked),
        On::Voided => Box::new(PickingListVoided {
            order_id,
            picking_list_ids: Vec::new(),
        }),
        On::Dispatched(at) => Box::new(ShipmentDispatched {
            order_id,
            customer_id: "carol".to_owned(),
            shipment_id: shipment_id(at),
            warehouse: warehouse(at),
            carrier: "simpost".to_owned(),
            tracking_number: shipment_id(at).to_string(),
            lines: Vec::new(),
        }),
        On::Delivered(at) => Box::new(ShipmentDelivered {
            order_id,
            shipment_id: shipment_id(at),
            warehouse: warehouse(at),
        }),
        On::Failed => Box::new(ShipmentFailed {
            order_id,
            warehouse: warehouse(0),
            carrier: "simpost".to_owned(),
            detail: "not served".to_owned(),
        }),
    }
}
