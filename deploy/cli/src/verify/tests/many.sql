-- The small world and its history, `N` times more: other orders, the same fates.

CREATE FUNCTION pg_temp.s(id uuid, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (left(id::text, 24)
           || lpad((right(id::text, 12)::bigint + 1000 * n)::text, 12, '0'))::uuid $$;
CREATE TEMP VIEW worlds AS
SELECT n FROM generate_series(1, current_setting('many.worlds')::bigint) AS n;

INSERT INTO chk.outbox
SELECT service, id + 1000 * n, tx_id, created_at, pg_temp.s(event_id, n),
       pg_temp.s(causation_id, n), version, shard, type, topic, pg_temp.s(key::uuid, n)::text, value
FROM worlds CROSS JOIN chk.outbox WHERE version IS NOT NULL;
INSERT INTO topic.records
SELECT topic, partition, "offset" + 100 * n, published_at, pg_temp.s(event_id, n),
       pg_temp.s(causation_id, n), version, type,
       CASE key WHEN 'poison' THEN key || n ELSE pg_temp.s(key::uuid, n)::text END, value, headers,
       pg_temp.s(subject::uuid, n)::text, customer_id, part, problem, trace_id
FROM worlds CROSS JOIN topic.records;
INSERT INTO chk.processed
SELECT service, pg_temp.s(event_id, n), outcome, tx + 100 * n FROM worlds CROSS JOIN chk.processed;

-- A bad record for each three orders: what it costs to judge them shows only when they are many.
INSERT INTO chk.dead_letters
SELECT service, pg_temp.s(event_id, n), topic, partition, "offset" + 100 * n, key || n::text::bytea,
       state, attempts, value
FROM worlds CROSS JOIN chk.dead_letters;
INSERT INTO chk.outbox
SELECT service, id + 1000 * n, tx_id, created_at, pg_temp.s(event_id, n),
       pg_temp.s(causation_id, n), version, shard, type, topic, key, value
FROM worlds CROSS JOIN chk.outbox WHERE version IS NULL;
INSERT INTO topic.letters
SELECT topic, partition, "offset" + n, pg_temp.s(event_id, n), key || n, value, headers, service,
       code, source_topic, source_partition, source_offset + 100 * n
FROM worlds CROSS JOIN topic.letters;
UPDATE chk.fences SET next_offset = next_offset + 100 * (SELECT max(n) FROM worlds);

INSERT INTO ord.orders
SELECT pg_temp.s(id, n), placed_at, customer_id, traceparent, skus, quantities
FROM worlds CROSS JOIN ord.orders;
INSERT INTO ord.idempotency_keys
SELECT pg_temp.s(order_id, n), customer_id, key || n FROM worlds CROSS JOIN ord.idempotency_keys;
INSERT INTO ord.sagas
SELECT pg_temp.s(order_id, n), customer_id, state, charge, cancel_reason
FROM worlds CROSS JOIN ord.sagas;
INSERT INTO ord.saga_acks
SELECT pg_temp.s(order_id, n), participant FROM worlds CROSS JOIN ord.saga_acks;
INSERT INTO ord.timeline
SELECT pg_temp.s(order_id, n), id + 100 * n, type, from_state, to_state
FROM worlds CROSS JOIN ord.timeline;

-- What they take must have come in.
INSERT INTO inv.ledger
SELECT pg_temp.e(80 + cardinality(skus)), NULL, 'receive', skus, warehouses,
       ARRAY(SELECT (-d * (SELECT max(n) FROM worlds))::integer FROM unnest(d_on_hand) AS d),
       array_fill(0, ARRAY[cardinality(skus)])
FROM inv.ledger WHERE reason = 'ship';
INSERT INTO inv.ledger
SELECT pg_temp.s(causation_id, n), pg_temp.s(order_id, n), reason, skus, warehouses, d_on_hand,
       d_reserved
FROM worlds CROSS JOIN inv.ledger WHERE order_id IS NOT NULL;
INSERT INTO inv.reservations
SELECT pg_temp.s(order_id, n), warehouse, state, skus, quantities
FROM worlds CROSS JOIN inv.reservations;
INSERT INTO inv.tombstones
SELECT pg_temp.s(order_id, n), cause FROM worlds CROSS JOIN inv.tombstones;

INSERT INTO shp.fulfilments
SELECT pg_temp.s(order_id, n), customer_id, cancelled FROM worlds CROSS JOIN shp.fulfilments;
INSERT INTO shp.picking_lists
SELECT pg_temp.s(order_id, n), warehouse, state, skus, quantities
FROM worlds CROSS JOIN shp.picking_lists;
INSERT INTO ntf.notifications
SELECT pg_temp.s(subject_id::uuid, n)::text, kind, customer_id
FROM worlds CROSS JOIN ntf.notifications WHERE customer_id IS NOT NULL;
INSERT INTO frd.transactions
SELECT pg_temp.s(id, n), pg_temp.s(order_id, n), customer_id
FROM worlds CROSS JOIN frd.transactions;
INSERT INTO frd.decisions
SELECT pg_temp.s(transaction_id, n), pg_temp.s(order_id, n), verdict
FROM worlds CROSS JOIN frd.decisions;
INSERT INTO frd.tombstones
SELECT pg_temp.s(order_id, n) FROM worlds CROSS JOIN frd.tombstones;

INSERT INTO hist.requests
SELECT pg_temp.s(order_id, n), customer_id, key || n, outcome
FROM worlds CROSS JOIN hist.requests;
INSERT INTO hist.observations
SELECT o.n + 100 * w.n, pg_temp.s(order_id, w.n), customer_id, status, at
FROM worlds AS w CROSS JOIN hist.observations AS o;
INSERT INTO hist.poison
SELECT topic, partition, "offset" + 100 * n, kind, value FROM worlds CROSS JOIN hist.poison;
INSERT INTO hist.poisoned
SELECT topic, partition, "offset" + 100 * n, service FROM worlds CROSS JOIN hist.poisoned;
