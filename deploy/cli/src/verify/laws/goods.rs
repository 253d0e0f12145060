use super::Law;

pub(super) const BOOKS: [Law; 2] = [
    Law {
        law: "I3",
        title: "stock is never negative, and the ledger explains every unit",
        checked: "SELECT (SELECT count(*) FROM inv.stock) + (SELECT count(*) FROM inv.ledger)",
        violations: &[
            "SELECT format('%s in %s: %s on hand, %s reserved', sku, warehouse, on_hand, reserved)
             FROM inv.stock
             WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand",
            "SELECT format('%s in %s: %s on hand and %s reserved, by the ledger %s and %s',
                           sku, warehouse, s.on_hand, s.reserved, coalesce(l.on_hand, 0),
                           coalesce(l.reserved, 0))
             FROM inv.stock AS s
             FULL JOIN (SELECT sku, warehouse, sum(d_on_hand) AS on_hand,
                               sum(d_reserved) AS reserved
                        FROM inv.ledger_lines GROUP BY sku, warehouse) AS l USING (sku, warehouse)
             WHERE (s.on_hand, s.reserved)
                   IS DISTINCT FROM (coalesce(l.on_hand, 0), coalesce(l.reserved, 0))",
        ],
    },
    Law {
        law: "I4",
        title: "what is reserved is what live reservations hold",
        checked: "SELECT (SELECT count(*) FROM inv.stock)
                       + (SELECT count(*) FROM inv.reservations)",
        violations: &[
            "SELECT format('%s in %s: %s reserved, %s held', sku, warehouse,
                           coalesce(s.reserved, 0), coalesce(r.held, 0))
             FROM inv.stock AS s
             FULL JOIN (SELECT u.sku, r.warehouse, sum(u.quantity) AS held
                        FROM inv.reservations AS r,
                             unnest(r.skus, r.quantities) AS u (sku, quantity)
                        WHERE r.state IN ('held', 'releasing')
                        GROUP BY u.sku, r.warehouse) AS r USING (sku, warehouse)
             WHERE coalesce(s.reserved, 0) <> coalesce(r.held, 0)",
        ],
    },
];

pub(super) const TOMBSTONES: [Law; 1] = [Law {
    law: "I9",
    title: "nothing is alive under a tombstone, and who acknowledged a cancellation has one",
    checked: "SELECT (SELECT count(*) FROM inv.tombstones)
                   + (SELECT count(*) FROM shp.fulfilments WHERE cancelled)
                   + (SELECT count(*) FROM frd.tombstones)",
    violations: &[
        "SELECT format('order %s was buried (%s) and has units %s in %s',
                       order_id, t.cause, r.state, r.warehouse)
         FROM inv.tombstones AS t
         JOIN inv.reservations AS r USING (order_id)
         WHERE r.state IN ('held', 'releasing')",
        "SELECT format('order %s was cancelled and its list in %s is %s',
                       order_id, p.warehouse, p.state)
         FROM shp.fulfilments AS f
         JOIN shp.picking_lists AS p USING (order_id)
         WHERE f.cancelled AND p.state <> 'void'",
        "SELECT format('order %s was cancelled before its charge, which is %s',
                       order_id, d.verdict)
         FROM frd.tombstones AS t
         JOIN frd.decisions AS d USING (order_id)
         WHERE d.verdict <> 'closed'",
        // What comes late is refused by what was released before, or by a tombstone.
        "SELECT format('inventory acknowledged the cancellation of order %s and nothing of it is '
                       || 'left that would refuse a late reservation', a.order_id)
         FROM ord.saga_acks AS a
         LEFT JOIN inv.tombstones AS t USING (order_id)
         LEFT JOIN inv.reservations AS r USING (order_id)
         WHERE a.participant = 'inventory' AND t.order_id IS NULL AND r.order_id IS NULL",
        "SELECT format('shipment acknowledged the cancellation of order %s and has no tombstone',
                       a.order_id)
         FROM ord.saga_acks AS a
         LEFT JOIN shp.fulfilments AS f ON f.order_id = a.order_id AND f.cancelled
         WHERE a.participant = 'shipment' AND f.order_id IS NULL",
    ],
}];

pub(super) const FATES: [Law; 3] = [
    Law {
        law: "I12",
        title: "a cancelled order leaves nothing behind",
        checked: "SELECT count(*) FROM ord.sagas WHERE state = 'cancelled'",
        violations: &[
            "SELECT format('order %s is cancelled and has units %s in %s',
                           order_id, r.state, r.warehouse)
             FROM ord.sagas AS s
             JOIN inv.reservations AS r USING (order_id)
             WHERE s.state = 'cancelled' AND r.state <> 'released'",
            "SELECT format('order %s is cancelled and its list in %s is %s',
                           order_id, p.warehouse, p.state)
             FROM ord.sagas AS s
             JOIN shp.picking_lists AS p USING (order_id)
             WHERE s.state = 'cancelled' AND p.state <> 'void'",
            "SELECT format('order %s is cancelled and its charge is %s', order_id, charge)
             FROM ord.sagas
             WHERE state = 'cancelled' AND charge <> 'voided'",
            "SELECT format('order %s is cancelled and fraud still thinks about it (%s)',
                           order_id, d.verdict)
             FROM ord.sagas AS s
             JOIN frd.decisions AS d USING (order_id)
             WHERE s.state = 'cancelled' AND d.verdict IN ('pending', 'held')",
        ],
    },
    Law {
        law: "I13",
        title: "a completed order shipped what was ordered, and inventory booked just that",
        checked: "SELECT count(*) FROM ord.sagas WHERE state = 'completed'",
        violations: &[
            "WITH completed AS (SELECT order_id FROM ord.sagas WHERE state = 'completed'),
             ordered AS (
                 SELECT o.id AS order_id, u.sku, sum(u.quantity) AS units
                 FROM ord.orders AS o
                 JOIN completed AS c ON c.order_id = o.id,
                      unnest(o.skus, o.quantities) AS u (sku, quantity)
                 GROUP BY o.id, u.sku),
             shipped AS (
                 SELECT p.order_id, u.sku, sum(u.quantity) AS units
                 FROM shp.picking_lists AS p
                 JOIN completed USING (order_id),
                      unnest(p.skus, p.quantities) AS u (sku, quantity)
                 WHERE p.state IN ('dispatched', 'delivered')
                 GROUP BY p.order_id, u.sku),
             booked AS (
                 SELECT r.order_id, u.sku, sum(u.quantity) AS units
                 FROM inv.reservations AS r
                 JOIN completed USING (order_id),
                      unnest(r.skus, r.quantities) AS u (sku, quantity)
                 WHERE r.state = 'shipped'
                 GROUP BY r.order_id, u.sku)
             SELECT format('order %s: %s of %s ordered, %s shipped, %s booked', order_id,
                           coalesce(o.units, 0), sku, coalesce(s.units, 0), coalesce(b.units, 0))
             FROM ordered AS o
             FULL JOIN shipped AS s USING (order_id, sku)
             FULL JOIN booked AS b USING (order_id, sku)
             WHERE o.units IS DISTINCT FROM s.units OR s.units IS DISTINCT FROM b.units",
        ],
    },
    Law {
        law: "I14",
        title: "all services agree on whose an order is",
        checked: "SELECT (SELECT count(*) FROM ord.sagas) + (SELECT count(*) FROM frd.transactions)
                       + (SELECT count(*) FROM shp.fulfilments)
                       + (SELECT count(*) FROM ntf.notifications WHERE customer_id IS NOT NULL)",
        violations: &[
            "SELECT format('order %s of %s is one of %s in %s', o.id, o.customer_id,
                           x.customer_id, x.place)
             FROM ord.orders AS o
             JOIN (SELECT order_id, customer_id, 'sagas' AS place FROM ord.sagas
                   UNION ALL
                   SELECT order_id, customer_id, 'fraud' FROM frd.transactions
                   UNION ALL
                   SELECT order_id, customer_id, 'shipment' FROM shp.fulfilments)
                  AS x ON x.order_id = o.id
             WHERE x.customer_id <> o.customer_id",
            "SELECT format('order %s of %s: %s was mailed to %s', o.id, o.customer_id, n.kind,
                           n.customer_id)
             FROM ord.orders AS o
             JOIN ntf.notifications AS n ON n.subject_id = o.id::text
             WHERE n.customer_id <> o.customer_id",
            "SELECT format('order %s of %s: %s %s says %s', o.id, o.customer_id, e.type,
                           e.event_id, e.customer_id)
             FROM ord.orders AS o
             JOIN topic.events AS e ON e.key = o.id::text
             WHERE e.customer_id <> o.customer_id",
        ],
    },
];
