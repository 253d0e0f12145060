//! What breaks a law in the light of what clients and chaos wrote down.

use super::planted::Planted;

/// The history of the small world, in which every law holds.
pub(super) const HISTORY: &str = "
    INSERT INTO hist.given VALUES ('acks'), ('every request'), ('observations'), ('poison');
    INSERT INTO hist.requests VALUES
        (NULL, 'alice', 'key-' || pg_temp.o(1), 'maybe'),
        (pg_temp.o(1), 'alice', 'key-' || pg_temp.o(1), 'acked'),
        (pg_temp.o(2), 'alice', 'key-' || pg_temp.o(2), 'acked'),
        (pg_temp.o(2), 'alice', 'key-' || pg_temp.o(2), 'acked'),
        (NULL, 'alice', 'key-' || pg_temp.o(3), 'maybe'),
        (NULL, 'alice', 'never landed', 'maybe'),
        (NULL, 'alice', 'refused', 'refused');
    INSERT INTO hist.observations VALUES
        (1, pg_temp.o(1), 'alice', 'pending', now()),
        (2, pg_temp.o(1), 'alice', 'shipped', now()),
        (3, pg_temp.o(1), 'bob', NULL, now()),
        (4, pg_temp.o(2), 'alice', 'confirmed', now()),
        (5, pg_temp.o(2), 'alice', 'cancelling', now()),
        (6, pg_temp.o(2), 'alice', 'cancelled', now());
    INSERT INTO hist.poison
    SELECT topic, partition, \"offset\", 'cut', value
    FROM topic.records WHERE event_id IN (pg_temp.e(70), pg_temp.e(72));
    INSERT INTO hist.poisoned SELECT topic, partition, \"offset\", 'inventory' FROM hist.poison";

pub(super) const PROMISED: &[Planted] = &[
    (
        "a promised order that is not there",
        "INSERT INTO hist.requests VALUES (pg_temp.o(9), 'alice', 'k9', 'acked')",
        &["I1"],
    ),
    (
        "a promised order that is somebody else's",
        "UPDATE hist.requests SET customer_id = 'bob', key = 'k1' WHERE order_id = pg_temp.o(1)",
        &["I1", "S6"],
    ),
    (
        "one key that made two orders",
        "INSERT INTO hist.requests VALUES (pg_temp.o(1), 'alice', 'k', 'acked'),
                                          (pg_temp.o(2), 'alice', 'k', 'acked')",
        &["I1"],
    ),
    (
        "a key that was answered with another order",
        "UPDATE hist.requests SET order_id = pg_temp.o(1) WHERE order_id = pg_temp.o(2);
         INSERT INTO hist.requests VALUES (pg_temp.o(2), 'alice', 'k2', 'acked')",
        &["I1"],
    ),
    (
        "a promised order that is not on the topic",
        "DELETE FROM topic.records WHERE event_id = pg_temp.e(1)",
        &["I1", "S1", "S2"],
    ),
    (
        "a landed order that is not on the topic",
        "DELETE FROM topic.records WHERE event_id = pg_temp.e(41)",
        &["I1", "S1", "S2"],
    ),
    (
        "a refused request that made an order",
        "UPDATE hist.requests SET outcome = 'refused' WHERE key = 'key-' || pg_temp.o(3)",
        &["I1", "S7"],
    ),
    (
        "poison without a dead letter",
        "INSERT INTO hist.poisoned
         SELECT topic, partition, \"offset\", 'shipment' FROM hist.poison WHERE \"offset\" = 70",
        &["I15"],
    ),
    (
        "poison that became two dead letters",
        "INSERT INTO topic.letters
         SELECT topic, partition, 1, pg_temp.e(71), key, value, headers, service, code,
                source_topic, source_partition, source_offset
         FROM topic.letters",
        &["I15", "S5"],
    ),
    (
        "poison whose bytes were changed",
        "UPDATE topic.letters SET value = '\\x71'; UPDATE chk.outbox SET value = '\\x71'
         WHERE version IS NULL",
        &["I15", "S5"],
    ),
    (
        "poison that the topic has otherwise",
        "UPDATE hist.poison SET value = '\\x71' WHERE \"offset\" = 72",
        &["I15"],
    ),
    (
        "a dead letter that nobody poisoned",
        "DELETE FROM hist.poisoned WHERE \"offset\" = 70",
        &["I15"],
    ),
    (
        "poison under a healthy event's id",
        "INSERT INTO hist.poison VALUES ('order.events', 1, 80, 'same id', '\\x80');
         INSERT INTO topic.records
         SELECT topic, partition, 80, published_at, event_id, causation_id, version, type, key,
                '\\x80', headers
         FROM topic.records WHERE event_id = pg_temp.e(12)",
        &[],
    ),
    (
        "a promised order that is not found",
        "UPDATE hist.observations SET status = NULL WHERE n = 2",
        &["S6"],
    ),
    (
        "an order that is seen to go back",
        "UPDATE hist.observations SET status = 'confirmed' WHERE n = 5;
         UPDATE hist.observations SET status = 'pending' WHERE n = 6",
        &["S6"],
    ),
    (
        "an order that comes back to life",
        "INSERT INTO hist.observations VALUES (7, pg_temp.o(2), 'alice', 'shipped', now())",
        &["S6"],
    ),
    (
        "an order that was seen further than it is",
        "INSERT INTO hist.observations VALUES (7, pg_temp.o(3), 'alice', 'completed', now())",
        &["S6"],
    ),
    (
        "an order that a stranger sees",
        "UPDATE hist.observations SET status = 'shipped' WHERE customer_id = 'bob'",
        &["S6"],
    ),
    (
        "an order that nobody asked for",
        "DELETE FROM hist.requests WHERE key = 'key-' || pg_temp.o(3)",
        &["S7"],
    ),
    (
        "more promises than orders",
        "INSERT INTO hist.requests VALUES (pg_temp.o(8), 'carol', 'k8', 'acked'),
                                          (pg_temp.o(9), 'carol', 'k9', 'acked')",
        &["I1", "S7"],
    ),
];
