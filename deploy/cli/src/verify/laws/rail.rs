use super::Law;

pub(super) const EFFECTS: [Law; 3] = [
    Law {
        law: "I5",
        title: "one effect per cause",
        checked: "SELECT (SELECT count(*) FROM chk.events) + (SELECT count(*) FROM inv.ledger)
                       + (SELECT count(*) FROM inv.reservations)
                       + (SELECT count(*) FROM shp.picking_lists)
                       + (SELECT count(*) FROM ntf.notifications)
                       + (SELECT count(*) FROM frd.decisions)",
        violations: &[
            // One cause may lead to one event per warehouse, or per mail; which one, only the value
            // tells. So few are looked up.
            "WITH again AS MATERIALIZED (
                 SELECT service, causation_id, type, key
                 FROM chk.events
                 GROUP BY service, causation_id, type, key
                 HAVING count(*) > 1)
             SELECT format('%s led to %s %s of %s in %s', o.causation_id, count(*), o.type, o.key,
                           o.service)
             FROM again
             JOIN chk.events AS o USING (service, causation_id, type, key)
             LEFT JOIN topic.events AS e ON e.event_id = o.event_id
             GROUP BY o.service, o.causation_id, o.type, o.key,
                      CASE WHEN e.event_id IS NULL THEN o.event_id::text
                           ELSE coalesce(e.part, '') END
             HAVING count(*) > 1",
            "SELECT format('%s moved %s in %s %s times (%s)', causation_id, sku, warehouse,
                           count(*), reason)
             FROM inv.ledger_lines
             GROUP BY causation_id, sku, warehouse, reason
             HAVING count(*) > 1",
            "SELECT format('order %s moved %s in %s %s times (%s)', order_id, sku, warehouse,
                           count(*), reason)
             FROM inv.ledger_lines
             WHERE order_id IS NOT NULL
             GROUP BY order_id, sku, warehouse, reason
             HAVING count(*) > 1",
            "SELECT format('order %s has %s reservations in %s', order_id, count(*), warehouse)
             FROM inv.reservations GROUP BY order_id, warehouse HAVING count(*) > 1",
            "SELECT format('order %s has %s picking lists in %s', order_id, count(*), warehouse)
             FROM shp.picking_lists GROUP BY order_id, warehouse HAVING count(*) > 1",
            "SELECT format('%s has %s mails of the kind %s', subject_id, count(*), kind)
             FROM ntf.notifications GROUP BY subject_id, kind HAVING count(*) > 1",
            "SELECT format('order %s has %s decisions', order_id, count(*))
             FROM frd.decisions GROUP BY order_id HAVING count(*) > 1",
            "SELECT format('transaction %s has %s decisions', transaction_id, count(*))
             FROM frd.decisions GROUP BY transaction_id HAVING count(*) > 1",
        ],
    },
    Law {
        law: "I6",
        title: "versions of an aggregate are 1, 2, 3 … in its producer's outbox",
        checked: "SELECT count(*) FROM chk.events",
        violations: &[
            "SELECT format('%s has version %s of %s %s times', service, version, key, count(*))
             FROM chk.events
             GROUP BY service, topic, key, version
             HAVING count(*) > 1",
            // The first ones are missing where days of the outbox were dropped.
            "SELECT format('%s has %s events of %s, with versions %s to %s', e.service,
                           count(*), key, min(version), max(version))
             FROM chk.events AS e
             JOIN (SELECT service, min(created_at) > (SELECT kept_since FROM chk.clock)
                                 AS all_kept
                   FROM chk.events GROUP BY service) AS kept
                  ON kept.service = e.service
             GROUP BY e.service, topic, key, kept.all_kept
             HAVING count(*) <> max(version) - min(version) + 1
                 OR kept.all_kept AND min(version) <> 1",
        ],
    },
    Law {
        law: "I7",
        title: "nothing is left above the outbox watermark",
        checked: "SELECT count(*) FROM chk.outbox",
        violations: &[
            "SELECT format('%s: %s %s is not surely published since %s', o.service, o.type,
                           o.event_id, o.created_at)
             FROM chk.outbox AS o
             JOIN chk.services AS s USING (service)
             LEFT JOIN chk.watermarks AS w USING (service, shard)
             WHERE (w.tx_id IS NULL OR o.tx_id >= w.tx_id)
               AND o.created_at < s.taken_at - interval '5 seconds'",
        ],
    },
];

pub(super) const DELIVERY: [Law; 1] = [Law {
    law: "I10",
    title: "every published event reached every subscriber, if only to wait or to be kept",
    checked: "SELECT count(*)
              FROM chk.events AS e
              JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type",
    violations: &[
        "SELECT format('%s never processed %s %s of %s', s.service, e.type, e.event_id, e.key)
         FROM chk.events AS e
         JOIN chk.watermarks AS w ON w.service = e.service AND w.shard = e.shard
         JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type
         LEFT JOIN chk.processed AS p ON p.service = s.service AND p.event_id = e.event_id
         WHERE p.event_id IS NULL AND e.tx_id < w.tx_id
           AND e.created_at > (SELECT kept_since FROM chk.clock)",
    ],
}];

pub(super) const FENCES: [Law; 1] = [Law {
    law: "S9",
    title: "no group's offset is past what its database has seen",
    checked: "SELECT count(*) FROM chk.committed",
    violations: &[
        "SELECT format('%s committed %s of %s/%s, and its fence is at %s', c.service,
                       c.next_offset, c.topic, c.partition, coalesce(f.next_offset, 0))
         FROM chk.committed AS c
         LEFT JOIN chk.fences AS f USING (service, topic, partition)
         WHERE c.next_offset > greatest(coalesce(f.next_offset, 0), 0)",
    ],
}];
