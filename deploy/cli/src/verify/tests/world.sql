-- A small world in which every law holds, as the copies of its databases and topics would have it.
--
-- Order 1 was completed from two warehouses. Order 2 was confirmed and then cancelled. Order 3 was
-- refused for want of stock. A record that was no event of ours was dead-lettered by inventory, and
-- another waits behind it.

CREATE FUNCTION pg_temp.o(n integer) RETURNS uuid LANGUAGE sql AS
$$ SELECT ('0a0a0a0a-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION pg_temp.e(n integer) RETURNS uuid LANGUAGE sql AS
$$ SELECT ('0e0e0e0e-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid $$;

-- An order's trace has its id here.
CREATE FUNCTION pg_temp.traceparent(n integer) RETURNS text LANGUAGE sql AS
$$ SELECT format('00-%s-00f067aa0ba902b7-01', replace(pg_temp.o(n)::text, '-', '')) $$;

INSERT INTO chk.services
SELECT service, now()
FROM unnest('{order,inventory,shipment,notification,fraud}'::text[]) AS service;
INSERT INTO chk.watermarks SELECT service, 0, '1000' FROM chk.services;

-- Every event: who published it, about which order, with which version, because of which.
CREATE TEMP TABLE story (
    n integer, topic text, type text, about integer, version integer, cause integer, part text
);
INSERT INTO story VALUES
    ( 1, 'order.events',     'OrderPlaced',         1, 1, 90, NULL),
    ( 2, 'order.events',     'TransactionCreated',  1, 2, 90, NULL),
    ( 3, 'inventory.events', 'StockReserved',       1, 1,  1, NULL),
    ( 4, 'fraud.events',     'TransactionApproved', 1, 1,  2, NULL),
    ( 5, 'shipment.events',  'PickingListCreated',  1, 1,  3, 'BER'),
    ( 6, 'shipment.events',  'PickingListCreated',  1, 2,  3, 'MAD'),
    ( 7, 'order.events',     'OrderConfirmed',      1, 3,  4, NULL),
    ( 8, 'shipment.events',  'ShipmentDispatched',  1, 3, 91, 'BER'),
    ( 9, 'shipment.events',  'ShipmentDispatched',  1, 4, 92, 'MAD'),
    (10, 'shipment.events',  'ShipmentDelivered',   1, 5, 93, 'BER'),
    (11, 'shipment.events',  'ShipmentDelivered',   1, 6, 94, 'MAD'),
    (12, 'order.events',     'OrderCompleted',      1, 4, 11, NULL),
    (13, 'notification.events', 'NotificationSent', 1, 1,  1, 'order_received'),

    (21, 'order.events',     'OrderPlaced',         2, 1, 95, NULL),
    (22, 'order.events',     'TransactionCreated',  2, 2, 95, NULL),
    (23, 'inventory.events', 'StockReserved',       2, 1, 21, NULL),
    (24, 'fraud.events',     'TransactionHeld',     2, 1, 22, NULL),
    (25, 'fraud.events',     'TransactionApproved', 2, 2, 22, NULL),
    (26, 'shipment.events',  'PickingListCreated',  2, 1, 23, 'BER'),
    (27, 'order.events',     'OrderConfirmed',      2, 3, 25, NULL),
    (28, 'order.events',     'OrderCancelled',      2, 4, 96, NULL),
    (29, 'shipment.events',  'PickingListVoided',   2, 2, 28, NULL),
    (30, 'inventory.events', 'StockReleased',       2, 2, 29, NULL),

    (41, 'order.events',     'OrderPlaced',         3, 1, 97, NULL),
    (42, 'order.events',     'TransactionCreated',  3, 2, 97, NULL),
    (43, 'inventory.events', 'StockRejected',       3, 1, 41, NULL),
    (44, 'order.events',     'OrderCancelled',      3, 3, 43, NULL),
    (45, 'inventory.events', 'StockReleased',       3, 2, 44, NULL),
    (46, 'shipment.events',  'PickingListVoided',   3, 1, 44, NULL);

INSERT INTO chk.outbox
SELECT split_part(topic, '.', 1), n, '10', now() - interval '1 minute', pg_temp.e(n),
       pg_temp.e(cause), version, 0, type, topic, pg_temp.o(about)::text,
       decode(lpad(to_hex(n), 32, '0'), 'hex')
FROM story;
INSERT INTO topic.records
SELECT topic, about, n, now() - interval '1 minute', pg_temp.e(n), pg_temp.e(cause), version, type,
       pg_temp.o(about)::text, decode(lpad(to_hex(n), 32, '0'), 'hex'), '\xaa',
       pg_temp.o(about)::text,
       CASE WHEN topic = 'order.events' THEN 'alice' END, part, NULL, pg_temp.o(about)
FROM story;
INSERT INTO topic.partitions SELECT DISTINCT topic, partition, 0, 100 FROM topic.records;
INSERT INTO chk.processed
SELECT s.service, pg_temp.e(n), 0, n FROM story JOIN chk.subscriptions AS s USING (topic, type);
-- The relay sent one of them twice, as it may after a crash.
INSERT INTO topic.records
SELECT topic, partition, 60, published_at + interval '1 s', event_id, causation_id, version, type,
       key, value, headers, subject, customer_id, part, problem, trace_id
FROM topic.records WHERE event_id = pg_temp.e(7);

-- Nobody's records, and what became of them: one was rejected, and the other waits behind it.
INSERT INTO topic.records VALUES
    ('order.events', 1, 70, now() - interval '1 minute', pg_temp.e(70), pg_temp.e(70), 1,
     'OrderPlaced', 'poison', '\x70', '\xaa', NULL, NULL, NULL, 'it ends too early'),
    ('order.events', 1, 72, now() - interval '1 minute', pg_temp.e(72), pg_temp.e(72), 2,
     'OrderCancelled', 'poison', '\x72', '\xaa', NULL, NULL, NULL, NULL);
INSERT INTO chk.processed
SELECT service, pg_temp.e(70), CASE service WHEN 'inventory' THEN 1 ELSE 0 END, 70
FROM chk.subscriptions WHERE (topic, type) = ('order.events', 'OrderPlaced')
UNION ALL
SELECT service, pg_temp.e(72), CASE service WHEN 'inventory' THEN 2 ELSE 0 END, 72
FROM chk.subscriptions WHERE (topic, type) = ('order.events', 'OrderCancelled');
INSERT INTO chk.dead_letters VALUES
    ('inventory', pg_temp.e(70), 'order.events', 1, 70, 'poison', 0, 1, '\x70'),
    ('inventory', pg_temp.e(72), 'order.events', 1, 72, 'poison', 1, 1, '\x72');
INSERT INTO chk.outbox
VALUES ('inventory', 70, '10', now() - interval '1 minute', pg_temp.e(70), pg_temp.e(70), NULL, 0,
        'OrderPlaced', 'order.events.inventory.dlt', NULL, '\x70');
INSERT INTO topic.letters
VALUES ('order.events.inventory.dlt', 0, 0, pg_temp.e(70), 'poison', '\x70', '\xaa', 'inventory',
        'not-decodable', 'order.events', 1, 70);

INSERT INTO chk.fences
SELECT DISTINCT s.service, s.topic, p.partition, 73
FROM chk.subscriptions AS s JOIN topic.partitions AS p USING (topic);
INSERT INTO chk.committed VALUES ('inventory', 'order.events', 1, 73);

INSERT INTO ord.orders VALUES
    (pg_temp.o(1), now() - interval '1 minute', 'alice', pg_temp.traceparent(1),
     '{MUG,TRAY}', '{2,3}'),
    (pg_temp.o(2), now() - interval '1 minute', 'alice', pg_temp.traceparent(2),
     '{MUG}', '{1}'),
    (pg_temp.o(3), now() - interval '1 minute', 'alice', NULL, '{KNIFE}', '{1}');
INSERT INTO ord.idempotency_keys
SELECT id, 'alice', 'key-' || id FROM ord.orders;
INSERT INTO ord.sagas VALUES
    (pg_temp.o(1), 'alice', 'completed', 'captured', NULL),
    (pg_temp.o(2), 'alice', 'cancelled', 'voided', 'CUSTOMER'),
    (pg_temp.o(3), 'alice', 'cancelled', 'voided', 'OUT_OF_STOCK');
INSERT INTO ord.saga_acks
SELECT order_id, participant
FROM ord.sagas, unnest('{inventory,shipment}'::text[]) AS participant
WHERE state = 'cancelled';
INSERT INTO ord.timeline VALUES
    (pg_temp.o(1), 1, 'OrderPlaced', NULL, 'pending'),
    (pg_temp.o(1), 2, 'TransactionApproved', 'pending', 'confirmed'),
    (pg_temp.o(1), 3, 'ShipmentDispatched', 'confirmed', 'shipped'),
    (pg_temp.o(1), 4, 'ShipmentDelivered', 'shipped', 'completed'),
    (pg_temp.o(2), 5, 'OrderPlaced', NULL, 'pending'),
    (pg_temp.o(2), 6, 'TransactionApproved', 'pending', 'confirmed'),
    (pg_temp.o(2), 7, 'CancelRequested', 'confirmed', 'cancelling'),
    (pg_temp.o(2), 8, 'StockReleased', 'cancelling', 'cancelled'),
    (pg_temp.o(3), 9, 'OrderPlaced', NULL, 'pending'),
    (pg_temp.o(3), 10, 'StockRejected', 'pending', 'cancelling'),
    (pg_temp.o(3), 11, 'PickingListVoided', 'cancelling', 'cancelled');

INSERT INTO inv.ledger VALUES
    (pg_temp.e(80), NULL, 'receive', '{MUG,TRAY,TRAY}', '{BER,BER,MAD}', '{10,2,5}', '{0,0,0}'),
    (pg_temp.e(1), pg_temp.o(1), 'reserve', '{MUG,TRAY,TRAY}', '{BER,BER,MAD}', '{0,0,0}',
     '{2,2,1}'),
    (pg_temp.e(8), pg_temp.o(1), 'ship', '{MUG,TRAY}', '{BER,BER}', '{-2,-2}', '{-2,-2}'),
    (pg_temp.e(9), pg_temp.o(1), 'ship', '{TRAY}', '{MAD}', '{-1}', '{-1}'),
    (pg_temp.e(21), pg_temp.o(2), 'reserve', '{MUG}', '{BER}', '{0}', '{1}'),
    (pg_temp.e(29), pg_temp.o(2), 'release', '{MUG}', '{BER}', '{0}', '{-1}');
INSERT INTO inv.stock VALUES
    ('MUG', 'BER', 8, 0), ('TRAY', 'BER', 0, 0), ('TRAY', 'MAD', 4, 0), ('KNIFE', 'BER', 0, 0);
INSERT INTO inv.reservations VALUES
    (pg_temp.o(1), 'BER', 'shipped', '{MUG,TRAY}', '{2,2}'),
    (pg_temp.o(1), 'MAD', 'shipped', '{TRAY}', '{1}'),
    (pg_temp.o(2), 'BER', 'released', '{MUG}', '{1}');
INSERT INTO inv.tombstones VALUES (pg_temp.o(3), 'cancelled');

INSERT INTO shp.fulfilments VALUES
    (pg_temp.o(1), 'alice', false), (pg_temp.o(2), 'alice', true), (pg_temp.o(3), NULL, true);
INSERT INTO shp.picking_lists VALUES
    (pg_temp.o(1), 'BER', 'delivered', '{MUG,TRAY}', '{2,2}'),
    (pg_temp.o(1), 'MAD', 'delivered', '{TRAY}', '{1}'),
    (pg_temp.o(2), 'BER', 'void', '{MUG}', '{1}');

INSERT INTO ntf.notifications VALUES
    (pg_temp.o(1)::text, 'order_received', 'alice'), ('APRON', 'low_stock:BER:1', NULL);

INSERT INTO frd.transactions SELECT id, id, customer_id FROM ord.orders;
INSERT INTO frd.decisions VALUES
    (pg_temp.o(1), pg_temp.o(1), 'approved'),
    (pg_temp.o(2), pg_temp.o(2), 'approved'),
    (pg_temp.o(3), pg_temp.o(3), 'closed');
INSERT INTO frd.tombstones VALUES (pg_temp.o(3));
