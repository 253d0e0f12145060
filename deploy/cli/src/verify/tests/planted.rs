//! What breaks a law, and which.

/// What it is, how it comes about, and which laws it breaks. One row may break two where one is the
/// other's sum.
pub(super) type Planted = (&'static str, &'static str, &'static [&'static str]);

pub(super) const PLANTED: &[Planted] = &[
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
                pg_temp.o(9)::text, value, headers, pg_temp.o(9)::text
         FROM topic.records WHERE event_id = pg_temp.e(1);
         UPDATE chk.fences SET next_offset = 600;
         INSERT INTO chk.processed
         SELECT service, pg_temp.e(500), 0, 500 FROM chk.processed WHERE event_id = pg_temp.e(1)",
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
                value, headers, subject, customer_id, part, problem, trace_id
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
                value, headers, subject, customer_id, part, problem, trace_id
         FROM topic.records WHERE event_id = pg_temp.e(6);
         UPDATE chk.fences SET next_offset = 600;
         INSERT INTO chk.processed VALUES ('order', pg_temp.e(500), 0, 500)",
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
        "a transaction that was decided twice",
        "UPDATE frd.decisions SET transaction_id = pg_temp.o(1)
         WHERE transaction_id = pg_temp.o(2)",
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
        "an order that was shipped before it was confirmed",
        "UPDATE ord.timeline SET from_state = 'pending', to_state = 'shipped' WHERE id = 2;
         DELETE FROM ord.timeline WHERE id = 3",
        &["I8"],
    ),
    (
        "a release without a tombstone",
        "DELETE FROM inv.tombstones WHERE order_id = pg_temp.o(3)",
        &["I9"],
    ),
    (
        "a voided order without a tombstone",
        "UPDATE shp.fulfilments SET cancelled = false WHERE order_id = pg_temp.o(3)",
        &["I9"],
    ),
    (
        "an event that waits behind a dead letter",
        "UPDATE chk.processed SET outcome = 2
         WHERE service = 'shipment' AND event_id = pg_temp.e(7);
         UPDATE chk.processed SET outcome = 1
         WHERE service = 'shipment' AND event_id = pg_temp.e(1);
         INSERT INTO chk.dead_letters
         SELECT 'shipment', event_id, topic, partition, \"offset\", convert_to(key, 'UTF8'),
                CASE version WHEN 1 THEN 0 ELSE 1 END, 2, value
         FROM topic.records
         WHERE event_id IN (pg_temp.e(1), pg_temp.e(7)) AND \"offset\" < 60",
        &[],
    ),
    (
        "an event that one subscriber never saw",
        "DELETE FROM chk.processed WHERE service = 'shipment' AND event_id = pg_temp.e(7)",
        &["I10", "S4"],
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
        &["I9", "I12"],
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
        "DELETE FROM chk.outbox WHERE version IS NULL; DELETE FROM topic.letters;
         DELETE FROM chk.dead_letters",
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
        &["S5"],
    ),
    (
        "a dead letter that was not published",
        "UPDATE chk.outbox SET value = '\\x71' WHERE version IS NULL",
        &["I15"],
    ),
    (
        "a healthy event among the dead letters",
        "INSERT INTO topic.letters
         SELECT topic || '.shipment.dlt', 0, 0, event_id, key, value, headers, 'shipment', 'moody',
                topic, partition, \"offset\"
         FROM topic.records WHERE event_id = pg_temp.e(27)",
        &["I15"],
    ),
    (
        "a dead letter that only a table knows",
        "DELETE FROM chk.outbox WHERE version IS NULL",
        &["I15"],
    ),
    (
        "an event that waits and is not kept",
        "DELETE FROM chk.dead_letters WHERE state = 1",
        &["I15", "S1"],
    ),
    (
        "an event that waits for nothing",
        "UPDATE chk.dead_letters SET state = 3 WHERE state = 0",
        &["I15"],
    ),
    (
        "a replay that had no effect",
        "UPDATE chk.dead_letters SET state = 2 WHERE state = 1",
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
                value, headers, subject, customer_id, part, problem, trace_id
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
        &["S2", "S4"],
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
        "a record that was polled past",
        "INSERT INTO topic.records (topic, partition, \"offset\", published_at, type)
         VALUES ('order.events', 3, 61, now() - interval '1 minute', 'OrderRecalled');
         INSERT INTO topic.letters
         VALUES ('order.events.fraud.dlt', 0, 0, NULL, NULL, NULL, NULL, 'fraud', 'odd',
                 'order.events', 3, 61)",
        &["S4"],
    ),
    (
        "records that were taken in another order",
        "UPDATE chk.processed SET tx = 500
         WHERE service = 'shipment' AND event_id = pg_temp.e(1)",
        &["S4"],
    ),
    (
        "an effect that came before its fence",
        "UPDATE chk.fences SET next_offset = 5 WHERE service = 'shipment' AND partition = 1",
        &["S4"],
    ),
    (
        "a dead letter that lost a header",
        "UPDATE topic.letters SET headers = '\\xbb'",
        &["S5"],
    ),
    (
        "a dead letter that was shortened",
        "UPDATE topic.letters SET value = '\\x71'; UPDATE chk.outbox SET value = '\\x71'
         WHERE version IS NULL",
        &["S5"],
    ),
    (
        "a dead letter from nowhere",
        "UPDATE topic.letters SET source_offset = 99",
        &["S5"],
    ),
    (
        "a dead letter on another's topic",
        "UPDATE topic.letters SET service = 'fraud'",
        &["S5"],
    ),
    (
        "a dead letter that was changed where it is kept",
        "UPDATE chk.dead_letters SET value = '\\x71' WHERE state = 0",
        &["S5"],
    ),
    (
        "a position that became two dead letters",
        "INSERT INTO topic.letters
         SELECT topic, partition, 1, pg_temp.e(71), key, value, headers, service, code,
                source_topic, source_partition, source_offset
         FROM topic.letters",
        &["S5"],
    ),
    (
        "an end that was not told",
        "UPDATE chk.outbox SET type = 'OrderRecalled' WHERE event_id = pg_temp.e(12);
         UPDATE topic.records SET type = 'OrderRecalled' WHERE event_id = pg_temp.e(12);
         INSERT INTO chk.processed VALUES ('notification', pg_temp.e(12), 0, 12)",
        &["S7"],
    ),
    (
        "an event in a trace of its own",
        "UPDATE topic.records SET trace_id = pg_temp.o(2) WHERE event_id = pg_temp.e(12)",
        &["S8"],
    ),
    (
        "an event in no trace",
        "UPDATE topic.records SET trace_id = NULL WHERE event_id = pg_temp.e(12)",
        &["S8"],
    ),
    (
        "an offset past the fence",
        "UPDATE chk.committed SET next_offset = 74",
        &["S9"],
    ),
    (
        "an offset without a fence",
        "DELETE FROM chk.fences WHERE service = 'inventory' AND partition = 1",
        &["S4", "S9"],
    ),
];
