//! One list of behaviours, run against every batch handler.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::consumer::EventHandler;
use shared::contract::CATALOGUE;
use shared::contract::fraud::{TransactionApproved, TransactionBlocked};
use shared::contract::inventory::{AllocatedLine, StockShortfall};
use shared::contract::inventory::{
    LowStock, StockAllocation, StockRejected, StockReleased, StockReserved,
};
use shared::contract::order::{
    CancelReason, OrderCancelled, OrderConfirmed, OrderLine, OrderPlaced, ShipTo,
    TransactionCreated,
};
use shared::contract::shipment::{
    DispatchedLine, PickingListVoided, ShipmentDelivered, ShipmentDispatched,
};
use shared::event::{AnyEvent, new_id};
use shared::testing::{Driver, TestRecord};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::driver::effects;
use crate::harness::world::order_of;
use crate::harness::{World, defaults};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// An event of the story, with its version and the trace it belongs to.
type Told = (Box<dyn AnyEvent>, i32);

struct Story<H> {
    service: &'static str,
    handler: fn() -> H,
    told: Vec<Told>,
    /// A database in the state in which the story begins.
    begins_in: String,
    world: World,
    copies: u32,
}

impl<H: EventHandler> Story<H> {
    async fn driver(&mut self) -> (Driver<H>, PgPool) {
        self.copies += 1;
        let name = format!(
            "{}c{}_{}",
            self.world.namespace.trim_end_matches('.'),
            self.copies,
            self.service
        );
        let url = self.world.clone_of(&self.begins_in, &name).await;
        let driver = Driver::new(
            self.service,
            (self.handler)(),
            &url,
            &self.world.parts.endpoints.registry,
            CATALOGUE,
        )
        .await
        .expect("the driver starts");
        (driver, PgPool::connect(&url).await.expect("the clone"))
    }

    fn records(&self, driver: &Driver<H>) -> Vec<TestRecord> {
        let occurred_at: DateTime<Utc> = "2026-11-02T10:00:00Z"
            .parse()
            .expect("a time in this century");
        self.told
            .iter()
            .enumerate()
            .map(|(index, (event, version))| {
                let offset = i64::try_from(index).expect("a short story");
                let id = new_id();
                driver.record(
                    event.as_ref(),
                    id,
                    *version,
                    offset,
                    occurred_at,
                    Some(TRACEPARENT),
                )
            })
            .collect()
    }

    async fn holds(mut self) {
        let (mut driver, pool) = self.driver().await;
        let records = self.records(&driver);
        driver.process(&records).await.expect("one batch of n");
        let expected = effects(&pool).await;
        assert_trace_is_kept(&pool).await;

        // Delivered once more, as after a crash between commit and offset.
        driver
            .process(&records)
            .await
            .expect("the same batch again");
        self.same("a batch delivered twice", &expected, &pool).await;

        let (mut driver, pool) = self.driver().await;
        for record in &records {
            driver
                .process(std::slice::from_ref(record))
                .await
                .expect("a batch of one");
        }
        self.same("n batches of one", &expected, &pool).await;

        let (mut driver, pool) = self.driver().await;
        let thirds = records.len().div_ceil(3);
        for part in records.chunks(thirds.max(1)) {
            driver.process(part).await.expect("a third");
        }
        self.same("another split", &expected, &pool).await;

        let (mut driver, pool) = self.driver().await;
        let doubled: Vec<_> = records
            .iter()
            .flat_map(|record| [record.clone(), record.clone().at(1000)])
            .collect();
        driver
            .process(&doubled)
            .await
            .expect("every event twice in one batch");
        self.same("every event twice in one batch", &expected, &pool)
            .await;

        self.poison_in_the_middle(&records, &expected).await;
        self.world.close().await;
    }

    async fn poison_in_the_middle(&mut self, records: &[TestRecord], expected: &[String]) {
        let (mut driver, pool) = self.driver().await;
        let poison: Vec<_> = self
            .records(&driver)
            .into_iter()
            .take(1)
            .map(|record| {
                let mut cut = record.value().expect("it has a value").to_vec();
                cut.pop();
                record.with_value(Some(cut)).at(2000)
            })
            .collect();
        let middle = records.len() / 2;
        let batch = [&records[..middle], &poison, &records[middle..]].concat();
        driver.process(&batch).await.expect("poison stops nobody");

        let mut seen = effects(&pool).await;
        let letters: Vec<_> = seen
            .extract_if(.., |row| row.starts_with("outbox") && row.contains(".dlt"))
            .collect();
        assert_eq!(letters.len(), 1, "one dead letter: {letters:?}");
        let marked: Vec<_> = seen
            .extract_if(.., |row| {
                row.starts_with("processed_events") && row.ends_with(",1)")
            })
            .collect();
        assert_eq!(marked.len(), 1, "it is marked in the inbox");
        assert_eq!(
            seen, expected,
            "{}: neighbours of a poison record",
            self.service
        );
    }

    async fn same(&self, how: &str, expected: &[String], pool: &PgPool) {
        let mut seen = effects(pool).await;
        // That a duplicate came is part of the timeline, and no effect.
        seen.retain(|row| !row.contains("came again and was skipped"));
        assert_eq!(seen, expected, "{}: {how}", self.service);
    }
}

async fn assert_trace_is_kept(pool: &PgPool) {
    let lost: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM outbox
         WHERE causation_id IN (SELECT event_id FROM processed_events)
           AND position($1 IN encode(headers, 'escape')) = 0",
    )
    .bind(&TRACEPARENT[3..35])
    .fetch_one(pool)
    .await
    .expect("the outbox");
    assert_eq!(lost, 0, "outgoing events continue the trace of their cause");
}

async fn story<H: EventHandler>(
    service: &'static str,
    handler: fn() -> H,
    told: Vec<Told>,
) -> Story<H> {
    let world = World::empty().await;
    let begins_in = world.database_url(service).to_owned();
    Story {
        service,
        handler,
        told,
        begins_in,
        world,
        copies: 0,
    }
}

fn placed(order_id: Uuid, lines: &[(&str, i32)], country: &str) -> Told {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, quantity)| OrderLine {
            sku: (*sku).to_owned(),
            quantity: *quantity,
            unit_price_minor: 1999,
        })
        .collect();
    let total_minor = lines
        .iter()
        .map(|line| i64::from(line.quantity) * 1999)
        .sum();
    let event = OrderPlaced {
        order_id,
        customer_id: "carol".to_owned(),
        channel: "web".to_owned(),
        external_ref: None,
        lines,
        currency: "EUR".to_owned(),
        total_minor,
        ship_to: ShipTo {
            name: "Carol".to_owned(),
            street: "Street 1".to_owned(),
            postal_code: "10115".to_owned(),
            city: "Berlin".to_owned(),
            country: country.to_owned(),
        },
    };
    (Box::new(event), 1)
}

fn cancelled(order_id: Uuid, version: i32, was_confirmed: bool) -> Told {
    let event = OrderCancelled {
        order_id,
        customer_id: "carol".to_owned(),
        reason: CancelReason::Customer,
        detail: "changed my mind".to_owned(),
        was_confirmed,
    };
    (Box::new(event), version)
}

fn confirmed(order_id: Uuid) -> Told {
    (
        Box::new(OrderConfirmed {
            order_id,
            customer_id: "carol".to_owned(),
        }),
        3,
    )
}

fn reserved(order_id: Uuid) -> Told {
    let event = StockReserved {
        order_id,
        allocations: vec![StockAllocation {
            warehouse: "BER".to_owned(),
            lines: vec![AllocatedLine {
                sku: "KETTLE".to_owned(),
                quantity: 2,
            }],
        }],
        placement: "one warehouse has everything".to_owned(),
    };
    (Box::new(event), 1)
}

fn dispatched(order_id: Uuid, version: i32) -> Told {
    let event = ShipmentDispatched {
        order_id,
        customer_id: "carol".to_owned(),
        shipment_id: order_id,
        warehouse: "BER".to_owned(),
        carrier: "SimPost".to_owned(),
        tracking_number: format!("SP{}", order_id.simple()),
        lines: vec![DispatchedLine {
            sku: "KETTLE".to_owned(),
            quantity: 2,
        }],
    };
    (Box::new(event), version)
}

fn voided(order_id: Uuid, version: i32) -> Told {
    (
        Box::new(PickingListVoided {
            order_id,
            picking_list_ids: Vec::new(),
        }),
        version,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn inventory_conforms() {
    let ids: Vec<_> = (0..6).map(|_| new_id()).collect();
    let told = vec![
        placed(ids[0], &[("KETTLE", 2)], "DE"),
        placed(ids[1], &[("KETTLE", 1), ("MUG", 3)], "ES"),
        placed(ids[2], &[("KNIFE", 1)], "DE"),
        placed(ids[3], &[("APRON", 3)], "DE"),
        cancelled(ids[1], 3, false),
        cancelled(ids[2], 3, false),
        placed(ids[4], &[("APRON", 4)], "PL"),
        cancelled(ids[3], 4, true),
        voided(ids[3], 2),
        placed(ids[5], &[("KETTLE", 2)], "DE"),
        cancelled(ids[5], 4, true),
        dispatched(ids[5], 2),
    ];
    let handler = || inventory::event_handler(&defaults::of(&[]));
    story("inventory", handler, told).await.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shipment_conforms() {
    let ids: Vec<_> = (0..4).map(|_| new_id()).collect();
    let told = vec![
        placed(ids[0], &[("KETTLE", 2)], "DE"),
        reserved(ids[0]),
        confirmed(ids[0]),
        reserved(ids[1]),
        placed(ids[1], &[("KETTLE", 2)], "DE"),
        cancelled(ids[1], 3, false),
        placed(ids[2], &[("KETTLE", 2)], "DE"),
        confirmed(ids[2]),
        reserved(ids[2]),
        cancelled(ids[2], 4, true),
        placed(ids[3], &[("KETTLE", 2)], "DE"),
        cancelled(ids[3], 3, false),
        reserved(ids[3]),
    ];
    let handler = || shipment::event_handler(&defaults::of(&[]));
    story("shipment", handler, told).await.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fraud_conforms() {
    let charge = |customer: &str, card: &str, amount_minor: i64| -> Told {
        let event = TransactionCreated {
            transaction_id: new_id(),
            order_id: new_id(),
            customer_id: customer.to_owned(),
            card: card.to_owned(),
            amount_minor,
            currency: "EUR".to_owned(),
            country: "DE".to_owned(),
            channel: "web".to_owned(),
            item_count: 2,
        };
        (Box::new(event), 2)
    };
    let told = vec![
        charge("carol", "tok_carol", 3998),
        charge("carol", "tok_carol", 3998),
        charge("dave", "tok_stolen", 3998),
        charge("erin", "tok_erin", 250_000),
        charge("carol", "tok_carol", 49_000),
        charge("frank", "tok_carol", 1999),
        charge("mallory", "tok_mallory", 1999),
    ];
    let handler = || fraud::event_handler(&defaults::of(&[]));
    story("fraud", handler, told).await.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_conforms() {
    let ids: Vec<_> = (0..2).map(|_| new_id()).collect();
    let low: Told = (
        Box::new(LowStock {
            sku: "APRON".to_owned(),
            warehouse: "BER".to_owned(),
            available: 2,
            threshold: 3,
        }),
        7,
    );
    let told = vec![
        placed(ids[0], &[("KETTLE", 2)], "DE"),
        confirmed(ids[0]),
        dispatched(ids[0], 2),
        placed(ids[1], &[("KETTLE", 1)], "DE"),
        low,
        cancelled(ids[1], 3, false),
    ];
    let handler = || notification::event_handler(&defaults::of(&[]));
    story("notification", handler, told).await.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_conforms() {
    let mut world = World::empty().await;
    world
        .run("order", &crate::harness::world::Settings::default())
        .await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.place("carol", order_of(&[("KETTLE", 2)])).await);
    }
    world.stop("order").await;
    let verdict = |order_id: Uuid| TransactionApproved {
        order_id,
        transaction_id: order_id,
        score: 0.1,
        model_version: "rules-1".to_owned(),
        reasons: vec!["small amount".to_owned()],
        decided_by: "model".to_owned(),
    };
    let blocked = |order_id: Uuid| TransactionBlocked {
        order_id,
        transaction_id: order_id,
        score: 0.99,
        model_version: "rules-1".to_owned(),
        reasons: vec!["stolen card".to_owned()],
        decided_by: "model".to_owned(),
    };
    let delivered = |order_id: Uuid| ShipmentDelivered {
        order_id,
        shipment_id: order_id,
        warehouse: "BER".to_owned(),
    };
    let rejected = |order_id: Uuid| StockRejected {
        order_id,
        shortfalls: vec![StockShortfall {
            sku: "KETTLE".to_owned(),
            requested: 2,
            available: 0,
        }],
    };
    let released = |order_id: Uuid| StockReleased {
        order_id,
        released: Vec::new(),
    };
    let told: Vec<Told> = vec![
        reserved(ids[0]),
        (Box::new(verdict(ids[1])), 1),
        (Box::new(verdict(ids[0])), 1),
        reserved(ids[1]),
        dispatched(ids[0], 2),
        (Box::new(delivered(ids[0])), 3),
        (Box::new(rejected(ids[2])), 1),
        voided(ids[2], 1),
        (Box::new(released(ids[2])), 2),
        (Box::new(blocked(ids[1])), 2),
        (Box::new(blocked(ids[3])), 1),
        reserved(ids[3]),
        dispatched(ids[1], 2),
        (Box::new(verdict(ids[4])), 1),
    ];
    let begins_in = world.database_url("order").to_owned();
    let handler = || order::event_handler(&defaults::of(&[]));
    let story = Story {
        service: "order",
        handler,
        told,
        begins_in,
        world,
        copies: 0,
    };
    story.holds().await;
}

/// No event type of the catalogue is published for nobody.
#[test]
fn every_event_has_a_consumer() {
    let mut readers: BTreeMap<&str, Vec<&str>> = CATALOGUE
        .iter()
        .map(|schema| (schema.event_type, Vec::new()))
        .collect();
    let mut reads = |group: &'static str, schemas: Vec<shared::event::Schema>| {
        for schema in schemas {
            readers.entry(schema.event_type).or_default().push(group);
        }
    };
    fn of<H: EventHandler>(_: &H) -> Vec<shared::event::Schema> {
        H::consumes().schemas().to_vec()
    }
    reads("order", of(&order::event_handler(&defaults::of(&[]))));
    reads(
        "inventory",
        of(&inventory::event_handler(&defaults::of(&[]))),
    );
    reads("shipment", of(&shipment::event_handler(&defaults::of(&[]))));
    reads("fraud", of(&fraud::event_handler(&defaults::of(&[]))));
    reads(
        "notification",
        of(&notification::event_handler(&defaults::of(&[]))),
    );

    // For sales channels (`shared/examples/marketplaces`) and for whoever bills: outside the suite.
    readers.remove("StockLevelChanged");
    readers.remove("OrderCompleted");
    let unread: Vec<_> = readers
        .iter()
        .filter(|(_, groups)| groups.is_empty())
        .map(|(event, _)| event)
        .collect();
    assert!(unread.is_empty(), "nobody listens to {unread:?}");
}
