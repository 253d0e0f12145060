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
             JOIN (SELECT service, min(created_at) > min(kept_since) AS all_kept
                   FROM chk.events CROSS JOIN chk.clock GROUP BY service) AS kept
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
    title: "every published event reached every subscriber",
    checked: "SELECT count(*)
              FROM chk.events AS e
              JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type",
    violations: &[
        "SELECT format('%s never processed %s %s of %s', s.service, e.type, e.event_id, e.key)
         FROM chk.events AS e
         CROSS JOIN chk.clock AS c
         JOIN chk.watermarks AS w ON w.service = e.service AND w.shard = e.shard
         JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type
         LEFT JOIN chk.processed AS p ON p.service = s.service AND p.event_id = e.event_id
         WHERE p.event_id IS NULL AND e.tx_id < w.tx_id AND e.created_at > c.kept_since",
    ],
}];

pub(super) const DEAD_LETTERS: [Law; 1] = [Law {
    law: "I15",
    title: "a dead letter is kept once and unchanged, and no healthy event is one",
    checked: "SELECT (SELECT count(*) FROM chk.processed WHERE outcome = 1)
                   + (SELECT count(*) FROM topic.letters)",
    violations: &[
        "SELECT format('%s rejected %s and kept no dead letter', p.service, p.event_id)
         FROM chk.processed AS p
         CROSS JOIN chk.clock AS c
         LEFT JOIN chk.outbox AS o
              ON o.service = p.service AND o.event_id = p.event_id AND o.version IS NULL
         WHERE p.outcome = 1 AND o.event_id IS NULL
           AND NOT EXISTS (SELECT FROM chk.outbox WHERE created_at < c.kept_since)",
        "SELECT format('%s kept %s dead letters of %s', service, count(*), event_id)
         FROM chk.outbox
         WHERE version IS NULL
         GROUP BY service, event_id
         HAVING count(*) > 1",
        "SELECT format('dead letter %s of %s is not on %s', o.event_id, o.service, o.topic)
         FROM chk.outbox AS o
         CROSS JOIN chk.clock AS c
         JOIN chk.watermarks AS w ON w.service = o.service AND w.shard = o.shard
         WHERE o.version IS NULL AND o.tx_id < w.tx_id AND o.created_at > c.kept_since
           AND (o.topic, coalesce(o.value, ''))
               NOT IN (SELECT topic, coalesce(value, '') FROM topic.letters)",
        "SELECT format('%s/%s@%s differs from its original %s/%s@%s', l.topic, l.partition,
                       l.\"offset\", l.source_topic, l.source_partition, l.source_offset)
         FROM topic.letters AS l
         LEFT JOIN topic.partitions AS p
              ON p.topic = l.source_topic AND p.partition = l.source_partition
         LEFT JOIN topic.records AS r
              ON r.topic = l.source_topic AND r.partition = l.source_partition
             AND r.\"offset\" = l.source_offset
         WHERE (p.low IS NULL OR l.source_offset >= p.low)
           AND (r.topic IS NULL
                OR (r.value, r.key, r.event_id) IS DISTINCT FROM (l.value, l.key, l.event_id))",
        "SELECT format('%s rejected the healthy %s %s of %s (%s)', l.service, e.type, e.event_id,
                       e.key, l.code)
         FROM topic.letters AS l
         JOIN topic.records AS r
              ON r.topic = l.source_topic AND r.partition = l.source_partition
             AND r.\"offset\" = l.source_offset
         JOIN chk.events AS e ON e.event_id = r.event_id
         WHERE (r.topic, r.type, r.key, r.version, r.value)
               = (e.topic, e.type, e.key, e.version, e.value)",
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
