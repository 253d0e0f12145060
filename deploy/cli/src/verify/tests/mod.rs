//! Every law sees what breaks it, and nothing where nothing is broken.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::database::CheckDatabase;
use super::laws;
use super::report::LawResult;
use crate::local::{self, Layout, Part, Progress, ports};

const WORLD: &str = include_str!("world.sql");

/// What is planted, and which laws it breaks. One row may break two where one is the other's sum.
const PLANTED: &[(&str, &str, &[&str])] = &[
    (
        "an order without a key",
        "DELETE FROM ord.idempotency_keys WHERE order_id = pg_temp.o(1)",
        &["I2"],
    ),
    (
        "an order with two keys",
        "INSERT INTO ord.idempotency_keys VALUES (pg_temp.o(1), 'alice', 'again')",
        &["I2"],
    ),
    (
        "a key without an order",
        "INSERT INTO ord.idempotency_keys VALUES (pg_temp.o(9), 'alice', 'lost')",
        &["I2"],
    ),
    (
        "an order that was never told",
        "DELETE FROM chk.outbox WHERE event_id = pg_temp.e(1);
         DELETE FROM topic.records WHERE event_id = pg_temp.e(1)",
        &["I1", "I2", "I6", "S2"],
    ),
    (
        "a ghost's OrderPlaced",
        "INSERT INTO chk.outbox
         SELECT service, 500, tx_id, created_at, pg_temp.e(500), pg_temp.e(501), 1, shard, type,
                topic, pg_temp.o(9)::text, value
         FROM chk.outbox WHERE event_id = pg_temp.e(1);
         INSERT INTO topic.records
         SELECT topic, 1, 500, published_at, pg_temp.e(500), pg_temp.e(501), 1, type,
                pg_temp.o(9)::text, value, pg_temp.o(9)::text
         FROM topic.records WHERE event_id = pg_temp.e(1);
         INSERT INTO chk.processed
         SELECT service, pg_temp.e(500), 0 FROM chk.processed WHERE event_id = pg_temp.e(1)",
        &["I2"],
    ),
    (
        "negative stock",
        "UPDATE inv.stock SET on_hand = -1 WHERE sku = 'MUG'",
        &["I3"],
    ),
    (
        "a unit out of nowhere",
        "UPDATE inv.stock SET on_hand = on_hand + 1 WHERE sku = 'MUG'",
        &["I3"],
    ),
    (
        "stock without a ledger",
        "INSERT INTO inv.stock VALUES ('POT', 'WAW', 1, 0)",
        &["I3"],
    ),
    (
        "units reserved for nobody",
        "UPDATE inv.stock SET reserved = 1 WHERE sku = 'MUG';
         INSERT INTO inv.ledger
         VALUES (pg_temp.e(81), NULL, 'correct', '{MUG}', '{BER}', '{0}', '{1}')",
        &["I4"],
    ),
    (
        "a reservation of a shelf that is not there",
        "INSERT INTO inv.reservations VALUES (pg_temp.o(9), 'WAW', 'held', '{POT}', '{1}')",
        &["I4"],
    ),
    (
        "an event that happened twice",
        "INSERT INTO chk.outbox
         SELECT service, 500, tx_id, created_at, pg_temp.e(500), causation_id, 5, shard, type,
                topic, key, value
         FROM chk.outbox WHERE event_id = pg_temp.e(12);
         INSERT INTO topic.records
         SELECT topic, partition, 500, published_at, pg_temp.e(500), causation_id, 5, type, key,
                value, subject
         FROM topic.records WHERE event_id = pg_temp.e(12)",
        &["I5", "S7"],
    ),
    (
        "a picking list that was drafted twice",
        "INSERT INTO chk.outbox
         SELECT service, 500, tx_id, created_at, pg_temp.e(500), causation_id, 7, shard, type,
                topic, key, value
         FROM chk.outbox WHERE event_id = pg_temp.e(6);
         INSERT INTO topic.records
         SELECT topic, partition, 500, published_at, pg_temp.e(500), causation_id, 7, type, key,
                value, subject, customer_id, part
         FROM topic.records WHERE event_id = pg_temp.e(6);
         INSERT INTO chk.processed VALUES ('order', pg_temp.e(500), 0)",
        &["I5"],
    ),
    (
        "units that were moved twice, and back",
        "INSERT INTO inv.ledger VALUES
         (pg_temp.e(21), pg_temp.o(2), 'reserve', '{MUG}', '{BER}', '{0}', '{1}'),
         (pg_temp.e(82), NULL, 'correct', '{MUG}', '{BER}', '{0}', '{-1}')",
        &["I5"],
    ),
    (
        "units that were moved twice by two causes, and back",
        "INSERT INTO inv.ledger VALUES
         (pg_temp.e(83), pg_temp.o(2), 'reserve', '{MUG}', '{BER}', '{0}', '{1}'),
         (pg_temp.e(82), NULL, 'correct', '{MUG}', '{BER}', '{0}', '{-1}')",
        &["I5"],
    ),
    (
        "a mail that was written twice",
        "INSERT INTO ntf.notifications VALUES (pg_temp.o(1)::text, 'order_received', 'alice')",
        &["I5"],
    ),
    (
        "a list that exists twice",
        "INSERT INTO shp.picking_lists VALUES (pg_temp.o(2), 'BER', 'void', '{MUG}', '{1}')",
        &["I5"],
    ),
    (
        "a second decision",
        "INSERT INTO frd.decisions VALUES (pg_temp.o(9), pg_temp.o(1), 'approved')",
        &["I5"],
    ),
    (
        "a reservation that exists twice",
        "INSERT INTO inv.reservations VALUES (pg_temp.o(2), 'BER', 'released', '{MUG}', '{1}')",
        &["I5"],
    ),
    (
        "a gap in the versions",
        "UPDATE chk.outbox SET version = 9 WHERE event_id = pg_temp.e(12);
         UPDATE topic.records SET version = 9 WHERE event_id = pg_temp.e(12)",
        &["I6", "S2"],
    ),
    (
        "a version that was given twice",
        "UPDATE chk.outbox SET version = 3 WHERE event_id = pg_temp.e(12);
         UPDATE topic.records SET version = 3 WHERE event_id = pg_temp.e(12)",
        &["I6", "S2"],
    ),
    (
        "versions that begin with two",
        "UPDATE chk.outbox SET version = 2 WHERE event_id = pg_temp.e(4);
         UPDATE topic.records SET version = 2 WHERE event_id = pg_temp.e(4)",
        &["I6", "S2"],
    ),
    (
        "an event that was not published",
        "UPDATE chk.outbox SET tx_id = '1000' WHERE event_id = pg_temp.e(12)",
        &["I7"],
    ),
    (
        "an order that went backwards",
        "UPDATE ord.timeline SET from_state = 'shipped', to_state = 'confirmed' WHERE id = 4",
        &["I8"],
    ),
    (
        "a step that is missing",
        "DELETE FROM ord.timeline WHERE id = 3",
        &["I8"],
    ),
    (
        "an end that nobody saw",
        "DELETE FROM ord.timeline WHERE id = 4",
        &["I8"],
    ),
    (
        "units under a tombstone",
        "INSERT INTO inv.tombstones VALUES (pg_temp.o(9), 'cancelled');
         INSERT INTO inv.reservations VALUES (pg_temp.o(9), 'BER', 'held', '{}', '{}')",
        &["I9"],
    ),
    (
        "a list under a tombstone",
        "INSERT INTO shp.fulfilments VALUES (pg_temp.o(9), NULL, true);
         INSERT INTO shp.picking_lists VALUES (pg_temp.o(9), 'BER', 'released', '{MUG}', '{1}')",
        &["I9"],
    ),
    (
        "a verdict under a tombstone",
        "UPDATE frd.decisions SET verdict = 'approved' WHERE order_id = pg_temp.o(3)",
        &["I9"],
    ),
    (
        "an event that one subscriber never saw",
        "DELETE FROM chk.processed WHERE service = 'shipment' AND event_id = pg_temp.e(7)",
        &["I10"],
    ),
    (
        "an order that hangs",
        "UPDATE ord.sagas SET state = 'cancelling', charge = 'authorized'
         WHERE order_id = pg_temp.o(2);
         DELETE FROM ord.timeline WHERE id = 8",
        &["I11", "S7"],
    ),
    (
        "an order without a saga",
        "DELETE FROM ord.sagas WHERE order_id = pg_temp.o(1)",
        &["I11", "S7"],
    ),
    (
        "a cancellation that shipment never acknowledged",
        "DELETE FROM ord.saga_acks
         WHERE order_id = pg_temp.o(2) AND participant = 'shipment'",
        &["I11"],
    ),
    (
        "units of a cancelled order that left",
        "UPDATE inv.reservations SET state = 'shipped' WHERE order_id = pg_temp.o(2)",
        &["I12"],
    ),
    (
        "a list of a cancelled order that is worked on",
        "UPDATE shp.fulfilments SET cancelled = false WHERE order_id = pg_temp.o(2);
         UPDATE shp.picking_lists SET state = 'picked' WHERE order_id = pg_temp.o(2)",
        &["I12"],
    ),
    (
        "a charge of a cancelled order that was taken",
        "UPDATE ord.sagas SET charge = 'captured' WHERE order_id = pg_temp.o(2)",
        &["I12"],
    ),
    (
        "a hold on a cancelled order",
        "UPDATE frd.decisions SET verdict = 'held' WHERE order_id = pg_temp.o(2)",
        &["I12"],
    ),
    (
        "a parcel with a unit too few",
        "UPDATE shp.picking_lists SET quantities = '{2,1}'
         WHERE order_id = pg_temp.o(1) AND warehouse = 'BER'",
        &["I13"],
    ),
    (
        "a parcel that inventory never booked",
        "UPDATE inv.reservations SET state = 'released'
         WHERE order_id = pg_temp.o(1) AND warehouse = 'MAD'",
        &["I13"],
    ),
    (
        "goods that were not ordered",
        "UPDATE ord.orders SET skus = '{MUG}', quantities = '{2}' WHERE id = pg_temp.o(1)",
        &["I13"],
    ),
    (
        "a charge of somebody else",
        "UPDATE frd.transactions SET customer_id = 'bob' WHERE order_id = pg_temp.o(1)",
        &["I14"],
    ),
    (
        "a mail to somebody else",
        "UPDATE ntf.notifications SET customer_id = 'bob' WHERE kind = 'order_received'",
        &["I14"],
    ),
    (
        "an event that names somebody else",
        "UPDATE topic.records SET customer_id = 'bob' WHERE event_id = pg_temp.e(12)",
        &["I14"],
    ),
    (
        "a rejection without a dead letter",
        "DELETE FROM chk.outbox WHERE version IS NULL; DELETE FROM topic.letters",
        &["I15", "S1"],
    ),
    (
        "a dead letter that was kept twice",
        "INSERT INTO chk.outbox SELECT * FROM chk.outbox WHERE version IS NULL",
        &["I15"],
    ),
    (
        "a dead letter that was changed",
        "UPDATE topic.letters SET key = 'other'",
        &["I15"],
    ),
    (
        "a dead letter that was not published",
        "UPDATE chk.outbox SET value = '\\x71' WHERE version IS NULL",
        &["I15"],
    ),
    (
        "a healthy event among the dead letters",
        "INSERT INTO topic.letters
         SELECT topic || '.shipment.dlt', 0, 0, event_id, key, value, 'shipment', 'moody', topic,
                partition, \"offset\"
         FROM topic.records WHERE event_id = pg_temp.e(27)",
        &["I15"],
    ),
    (
        "an event that Kafka lost",
        "DELETE FROM topic.records WHERE event_id = pg_temp.e(12)",
        &["S1"],
    ),
    (
        "an event that no outbox knows",
        "INSERT INTO topic.records
         SELECT topic, 1, 500, published_at, pg_temp.e(500), causation_id, version, type, key,
                value, subject
         FROM topic.records WHERE event_id = pg_temp.e(12)",
        &["S1"],
    ),
    (
        "a record without an id",
        "INSERT INTO topic.records (topic, partition, \"offset\", published_at)
         VALUES ('order.events', 1, 500, now() - interval '1 minute')",
        &["S1"],
    ),
    (
        "two events of a key in the wrong order",
        "UPDATE topic.records SET \"offset\" = \"offset\" + 20
         WHERE event_id = pg_temp.e(8)",
        &["S2"],
    ),
    (
        "a repeat with another value",
        "UPDATE topic.records SET value = '\\x01' WHERE \"offset\" = 60",
        &["S3"],
    ),
    (
        "a value that the outbox does not have",
        "UPDATE topic.records SET value = '\\x01' WHERE event_id = pg_temp.e(12)",
        &["S3"],
    ),
    (
        "a value that does not decode",
        "UPDATE topic.records SET problem = 'it ends too early' WHERE event_id = pg_temp.e(12)",
        &["S3"],
    ),
    (
        "a value under another's key",
        "UPDATE topic.records SET subject = 'other' WHERE event_id = pg_temp.e(12)",
        &["S3"],
    ),
    (
        "an end that was not told",
        "UPDATE chk.outbox SET type = 'OrderRecalled' WHERE event_id = pg_temp.e(12);
         UPDATE topic.records SET type = 'OrderRecalled' WHERE event_id = pg_temp.e(12);
         INSERT INTO chk.processed VALUES ('notification', pg_temp.e(12), 0)",
        &["S7"],
    ),
    (
        "an offset past the fence",
        "UPDATE chk.committed SET next_offset = 72",
        &["S9"],
    ),
    (
        "an offset without a fence",
        "DELETE FROM chk.fences",
        &["S9"],
    ),
];

/// The same, for runs with the clients' history.
const PROMISED: &[(&str, &str, &[&str])] = &[
    (
        "a promised order that is not there",
        "INSERT INTO hist.acks VALUES (pg_temp.o(9), 'alice', 'k9')",
        &["I1"],
    ),
    (
        "a promised order that is somebody else's",
        "UPDATE hist.acks SET customer_id = 'bob' WHERE key = 'k1'",
        &["I1"],
    ),
    (
        "one key that made two orders",
        "UPDATE hist.acks SET key = 'k1'",
        &["I1"],
    ),
    (
        "a promised order that is not on the topic",
        "DELETE FROM topic.records WHERE event_id = pg_temp.e(1)",
        &["I1", "S1", "S2"],
    ),
];

#[tokio::test]
async fn every_law_sees_what_breaks_it_and_nothing_else() {
    let folder = std::env::temp_dir().join(format!("ticketrail-laws-{}", std::process::id()));
    let offset = ports::find_free_offset().expect("free ports");
    let layout = Layout::new(&folder, offset).expect("a layout");
    let stack = local::start(&layout, &[Part::Postgres], &Progress::to_stderr())
        .await
        .expect("Postgres starts");

    // Nothing panics before the stack has ended.
    let outcome = judge(&layout).await;

    stack.shutdown().await.expect("it stops");
    layout.wipe().expect("it leaves nothing");
    let wrong = outcome.expect("the laws can be asked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs from the tables above.
async fn judge(layout: &Layout) -> anyhow::Result<Vec<String>> {
    let admin = layout.endpoints().postgres;
    let database = CheckDatabase::create(&admin, "ticketrail_check_laws".to_owned()).await?;
    let mut check = database.connect().await?;
    sqlx::raw_sql(WORLD).execute(&mut check).await?;

    let mut wrong = Vec::new();
    let calm = after(&mut check, "SELECT", false).await?;
    for law in &calm {
        if law.violations > 0 || law.checked == 0 {
            wrong.push(format!("in a world where all is well: {law:?}"));
        }
    }
    for (what, sql, expected) in PLANTED {
        compare(
            &mut wrong,
            what,
            expected,
            &after(&mut check, sql, false).await?,
        );
    }

    sqlx::raw_sql(
        "INSERT INTO hist.acks VALUES (pg_temp.o(1), 'alice', 'k1'), (pg_temp.o(2), 'alice', 'k2'),
                                      (pg_temp.o(2), 'alice', 'k2')",
    )
    .execute(&mut check)
    .await?;
    compare(
        &mut wrong,
        "acks that were kept",
        &[],
        &after(&mut check, "SELECT", true).await?,
    );
    for (what, sql, expected) in PROMISED {
        compare(
            &mut wrong,
            what,
            expected,
            &after(&mut check, sql, true).await?,
        );
    }

    let mut covered: Vec<_> = PLANTED
        .iter()
        .chain(PROMISED)
        .flat_map(|planted| planted.2)
        .collect();
    covered.sort_unstable();
    for law in calm {
        if covered.binary_search(&&law.law).is_err() {
            wrong.push(format!("nothing is planted against {}", law.law));
        }
    }
    check.close().await?;
    database.drop().await?;
    Ok(wrong)
}

/// The laws of a world with something planted in it, which is gone afterwards.
async fn after(
    check: &mut PgConnection,
    planted: &'static str,
    acks: bool,
) -> anyhow::Result<Vec<LawResult>> {
    let mut tx = check.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(planted))
        .execute(&mut *tx)
        .await?;
    laws::prepare(&mut tx).await?;
    let results = laws::check(&mut tx, acks).await?;
    tx.rollback().await?;
    Ok(results)
}

fn compare(wrong: &mut Vec<String>, what: &str, expected: &[&str], seen: &[LawResult]) {
    let broken: Vec<_> = seen.iter().filter(|law| law.violations > 0).collect();
    if broken
        .iter()
        .map(|law| law.law)
        .ne(expected.iter().copied())
    {
        wrong.push(format!(
            "{what} should break {expected:?} and breaks {broken:?}"
        ));
    }
    if broken.iter().any(|law| law.examples.is_empty()) {
        wrong.push(format!("{what} is seen, and not said"));
    }
}
