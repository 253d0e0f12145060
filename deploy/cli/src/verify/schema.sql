-- The check database: what the services and Kafka say, side by side, so that laws are queries.
--
-- One schema per service (ord inv shp ntf frd), `topic` for what was read from Kafka, `hist` for
-- what clients wrote down, `chk` for what all services have and for what the checker itself knows.
-- Nothing here outlives a run, so nothing is logged.

CREATE SCHEMA ord;
CREATE SCHEMA inv;
CREATE SCHEMA shp;
CREATE SCHEMA ntf;
CREATE SCHEMA frd;
CREATE SCHEMA topic;
CREATE SCHEMA hist;
CREATE SCHEMA chk;

-- Who listens to what. Written down here and not taken from the services: a service that forgot to
-- listen would otherwise be right.
CREATE TABLE chk.subscriptions (topic text, type text, service text);
INSERT INTO chk.subscriptions
SELECT topic, type, unnest(string_to_array(services, ' '))
FROM (VALUES
    ('order.events',        'OrderPlaced',         'inventory shipment notification'),
    ('order.events',        'TransactionCreated',  'fraud'),
    ('order.events',        'OrderConfirmed',      'shipment notification'),
    ('order.events',        'OrderCancelled',      'inventory shipment fraud notification'),
    ('order.events',        'OrderRecalled',       'notification'),
    ('inventory.events',    'StockReserved',       'order shipment'),
    ('inventory.events',    'StockRejected',       'order'),
    ('inventory.events',    'StockReleased',       'order'),
    ('stock.events',        'LowStock',            'notification'),
    ('fraud.events',        'TransactionApproved', 'order'),
    ('fraud.events',        'TransactionBlocked',  'order'),
    ('fraud.events',        'TransactionHeld',     'order'),
    ('shipment.events',     'PickingListCreated',  'order'),
    ('shipment.events',     'PickingListVoided',   'order inventory'),
    ('shipment.events',     'ShipmentDispatched',  'order inventory notification'),
    ('shipment.events',     'ShipmentDelivered',   'order'),
    ('shipment.events',     'ShipmentFailed',      'order'),
    ('notification.events', 'NotificationSent',    'order'),
    ('notification.events', 'NotificationFailed',  'order')
) AS listens (topic, type, services);

-- Who has to acknowledge a cancellation.
CREATE TABLE chk.participants (name text);
INSERT INTO chk.participants VALUES ('inventory'), ('shipment');

-- How an order may go on. Nothing is dispatched that was not confirmed before.
CREATE TABLE chk.transitions (from_state text, to_state text);
INSERT INTO chk.transitions VALUES
    ('new', 'pending'),
    ('pending', 'confirmed'), ('pending', 'cancelling'),
    ('confirmed', 'shipped'), ('confirmed', 'cancelling'),
    ('shipped', 'completed'),
    ('cancelling', 'cancelled'), ('cancelling', 'shipped');

-- What a client may see after what it saw before: the same, or what any number of steps leads to.
CREATE TABLE chk.reachable (from_state text, to_state text);
INSERT INTO chk.reachable
WITH RECURSIVE steps AS (
    SELECT DISTINCT to_state AS from_state, to_state FROM chk.transitions
    UNION
    SELECT s.from_state, t.to_state
    FROM steps AS s JOIN chk.transitions AS t ON t.from_state = s.to_state
)
SELECT from_state, to_state FROM steps;

-- When each database was copied, by its own clock.
CREATE TABLE chk.services (service text, taken_at timestamptz);

-- Outbox days are dropped after seven days, and topics forget then; what is younger than six is
-- surely in both. Keys are promised for a day. To be asked as `(SELECT … FROM chk.clock)`: a join
-- of one row is a nested loop, and one of these makes all plans look equally dear.
CREATE VIEW chk.clock AS
SELECT min(taken_at) AS taken_at, min(taken_at) - interval '6 days' AS kept_since,
       min(taken_at) - interval '23 hours' AS keys_since
FROM chk.services;

-- `value` is the beginning of the payload's SHA-256: enough to tell bytes apart.
CREATE UNLOGGED TABLE chk.outbox (
    service text, id bigint, tx_id xid8, created_at timestamptz, event_id uuid, causation_id uuid,
    version integer, shard smallint, type text, topic text, key text, value bytea
);
CREATE UNLOGGED TABLE chk.watermarks (service text, shard smallint, tx_id xid8);
-- `tx` is the transaction that wrote the row. A partition's batches commit one after the other,
-- each behind the fence, so these numbers say in which order its records had their effect.
CREATE UNLOGGED TABLE chk.processed (
    service text, event_id uuid, outcome smallint, tx bigint
);
-- What failed and what waits behind it, where a service keeps a table of it: `state` is 0 for open,
-- 1 for parked, 2 for replayed, 3 for discarded.
CREATE UNLOGGED TABLE chk.dead_letters (
    service text, event_id uuid, topic text, partition integer, "offset" bigint, key bytea,
    state smallint, attempts integer, value bytea
);
CREATE UNLOGGED TABLE chk.fences (
    service text, topic text, partition integer, next_offset bigint
);
CREATE UNLOGGED TABLE chk.committed (
    service text, topic text, partition integer, next_offset bigint
);

-- A dead letter is in an outbox too, and is no event of that service.
CREATE VIEW chk.events AS SELECT * FROM chk.outbox WHERE version IS NOT NULL;

CREATE UNLOGGED TABLE ord.orders (
    id uuid, placed_at timestamptz, customer_id text, traceparent text, skus text[],
    quantities integer[]
);
CREATE UNLOGGED TABLE ord.idempotency_keys (order_id uuid, customer_id text, key text);
CREATE UNLOGGED TABLE ord.sagas (
    order_id uuid, customer_id text, state text, charge text, cancel_reason text
);
CREATE UNLOGGED TABLE ord.saga_acks (order_id uuid, participant text);
-- Entries that changed the state.
CREATE UNLOGGED TABLE ord.timeline (
    order_id uuid, id bigint, type text, from_state text, to_state text
);

CREATE UNLOGGED TABLE inv.stock (sku text, warehouse text, on_hand bigint, reserved bigint);
CREATE UNLOGGED TABLE inv.ledger (
    causation_id uuid, order_id uuid, reason text, skus text[], warehouses text[],
    d_on_hand integer[], d_reserved integer[]
);
CREATE VIEW inv.ledger_lines AS
SELECT l.causation_id, l.order_id, l.reason, u.sku, u.warehouse, u.d_on_hand, u.d_reserved
FROM inv.ledger AS l, unnest(l.skus, l.warehouses, l.d_on_hand, l.d_reserved)
    AS u (sku, warehouse, d_on_hand, d_reserved);
CREATE UNLOGGED TABLE inv.reservations (
    order_id uuid, warehouse text, state text, skus text[], quantities integer[]
);
CREATE UNLOGGED TABLE inv.tombstones (order_id uuid, cause text);

CREATE UNLOGGED TABLE shp.fulfilments (order_id uuid, customer_id text, cancelled boolean);
CREATE UNLOGGED TABLE shp.picking_lists (
    order_id uuid, warehouse text, state text, skus text[], quantities integer[]
);

CREATE UNLOGGED TABLE ntf.notifications (subject_id text, kind text, customer_id text);

CREATE UNLOGGED TABLE frd.transactions (id uuid, order_id uuid, customer_id text);
CREATE UNLOGGED TABLE frd.decisions (transaction_id uuid, order_id uuid, verdict text);
CREATE UNLOGGED TABLE frd.tombstones (order_id uuid);

-- Every record of the event topics, in full: `headers` is the beginning of a digest over all of
-- them, `subject`, `customer_id` and `part` (a warehouse, or a mail's kind) are from the decoded
-- value, `problem` is why it could not be decoded. A trace id has the size of a UUID.
CREATE UNLOGGED TABLE topic.records (
    topic text, partition integer, "offset" bigint, published_at timestamptz, event_id uuid,
    causation_id uuid, version integer, type text, key text, value bytea, headers bytea,
    subject text, customer_id text, part text, problem text, trace_id uuid
);
-- Every record of the dead-letter topics, with the position it is from. `headers` is over those
-- that it came with.
CREATE UNLOGGED TABLE topic.letters (
    topic text, partition integer, "offset" bigint, event_id uuid, key text, value bytea,
    headers bytea, service text, code text, source_topic text, source_partition integer,
    source_offset bigint
);
CREATE UNLOGGED TABLE topic.partitions (topic text, partition integer, low bigint, high bigint);

-- What clients and chaos wrote down, and which of it was given.
CREATE TABLE hist.given (what text);
-- Every answer to a request for an order: `acked`, `refused`, or `maybe` where none came.
CREATE UNLOGGED TABLE hist.requests (
    order_id uuid, customer_id text, key text, outcome text
);
-- What was seen of an order, in the order in which it was seen; no status is a 404.
CREATE UNLOGGED TABLE hist.observations (
    n bigint, order_id uuid, customer_id text, status text, at timestamptz
);
-- Records that nobody's outbox has, because they were put there to do harm.
CREATE UNLOGGED TABLE hist.poison (
    topic text, partition integer, "offset" bigint, kind text, value bytea
);
-- Who has to make a dead letter of them.
CREATE UNLOGGED TABLE hist.poisoned (
    topic text, partition integer, "offset" bigint, service text
);
-- Processes that were ended in the midst of their work.
CREATE UNLOGGED TABLE hist.kills (service text, at timestamptz);

CREATE VIEW hist.acks AS
SELECT order_id, customer_id, key FROM hist.requests WHERE outcome = 'acked';
-- Requests without an answer that made an order all the same.
CREATE VIEW hist.landed AS
SELECT k.order_id, r.customer_id, r.key
FROM (SELECT DISTINCT customer_id, key FROM hist.requests WHERE outcome = 'maybe') AS r
JOIN ord.idempotency_keys AS k USING (customer_id, key)
UNION
SELECT o.id, r.customer_id, r.key
FROM hist.requests AS r
JOIN ord.orders AS o ON o.id = r.order_id AND o.customer_id = r.customer_id
WHERE r.outcome = 'maybe';
CREATE VIEW hist.asked_for AS
SELECT order_id, customer_id FROM hist.acks
UNION
SELECT order_id, customer_id FROM hist.landed;

-- Positions of records that are no event of the suite: injected, or the repeat of an event that is
-- on the topics before them. Few in a calm run, so the events are what is left without them.
CREATE UNLOGGED TABLE topic.aside (topic text, partition integer, "offset" bigint);
CREATE VIEW topic.events AS
SELECT r.* FROM topic.records AS r
WHERE r.event_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM topic.aside AS x
                  WHERE x.topic = r.topic AND x.partition = r.partition
                    AND x."offset" = r."offset");
