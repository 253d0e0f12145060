use super::Law;

pub(super) const EVENTS: [Law; 3] = [
    Law {
        law: "S1",
        title: "the events on the topics are the events of the outboxes",
        checked: "SELECT (SELECT count(*) FROM chk.events) + (SELECT count(*) FROM topic.records)",
        violations: &[
            "SELECT format('%s %s of %s is in the outbox of %s and not on %s', o.type, o.event_id,
                           o.key, o.service, o.topic)
             FROM chk.events AS o
             JOIN chk.watermarks AS w ON w.service = o.service AND w.shard = o.shard
             LEFT JOIN topic.events AS e ON e.event_id = o.event_id
             WHERE e.event_id IS NULL AND o.tx_id < w.tx_id
               AND o.created_at > (SELECT kept_since FROM chk.clock)",
            // What somebody put there from outside is accounted for when it is known to be poison,
            // a dead letter, or waits behind one. What was published after the databases were
            // copied is none of this run.
            "SELECT format('%s %s at %s/%s@%s is in no outbox', coalesce(r.type, 'a record'),
                           coalesce(r.event_id::text, 'without an id'), r.topic, r.partition,
                           r.\"offset\")
             FROM topic.records AS r
             LEFT JOIN chk.events AS o ON o.event_id = r.event_id
             WHERE o.event_id IS NULL
               AND r.published_at BETWEEN (SELECT kept_since FROM chk.clock)
                                      AND (SELECT taken_at FROM chk.clock)
               AND NOT EXISTS (SELECT FROM topic.letters AS l
                               WHERE l.source_topic = r.topic
                                 AND l.source_partition = r.partition
                                 AND l.source_offset = r.\"offset\")
               AND NOT EXISTS (SELECT FROM chk.dead_letters AS d
                               WHERE d.topic = r.topic AND d.partition = r.partition
                                 AND d.\"offset\" = r.\"offset\")
               AND NOT EXISTS (SELECT FROM topic.aside AS x
                               WHERE x.topic = r.topic AND x.partition = r.partition
                                 AND x.\"offset\" = r.\"offset\")",
        ],
    },
    Law {
        law: "S2",
        title: "versions of a key rise by one on its topic; repeats are legal, reversals are not",
        checked: "SELECT count(*) FROM topic.events",
        violations: &[
            // A topic that has forgotten its beginning may begin with any version.
            "SELECT format('%s: version %s of %s comes after %s', s.topic, version, key,
                           coalesce(before::text, 'nothing'))
             FROM (SELECT e.topic, e.partition, e.key, e.version,
                          lag(e.version) OVER (PARTITION BY e.topic, e.key
                                               ORDER BY e.partition, e.\"offset\") AS before
                   FROM topic.events AS e
                   WHERE e.event_id IN (SELECT event_id FROM chk.events)) AS s
             LEFT JOIN topic.partitions AS p USING (topic, partition)
             WHERE s.version IS DISTINCT FROM
                   coalesce(s.before, CASE WHEN p.low > 0 THEN s.version - 1 ELSE 0 END) + 1",
        ],
    },
    Law {
        law: "S3",
        title: "an event id has one key and one value, and its schema describes every byte",
        checked: "SELECT count(*) FROM topic.records WHERE event_id IS NOT NULL",
        violations: &[
            "SELECT format('event %s is on the topics with %s contents', event_id,
                           count(DISTINCT (topic, partition, key, type, version, value)))
             FROM topic.records AS r
             WHERE event_id IN (SELECT event_id
                                FROM topic.records
                                JOIN topic.aside USING (topic, partition, \"offset\"))
               AND NOT EXISTS (SELECT FROM hist.poison AS p
                               WHERE p.topic = r.topic AND p.partition = r.partition
                                 AND p.\"offset\" = r.\"offset\")
             GROUP BY event_id
             HAVING count(DISTINCT (topic, partition, key, type, version, value)) > 1",
            "SELECT format('%s %s of %s at %s/%s@%s: %s', o.type, event_id, o.key, e.topic,
                           e.partition, e.\"offset\",
                           coalesce(e.problem, CASE
                               WHEN e.subject IS DISTINCT FROM e.key
                               THEN format('its value is about %s', e.subject)
                               ELSE 'the outbox says otherwise' END))
             FROM topic.events AS e
             JOIN chk.events AS o USING (event_id)
             WHERE (e.topic, e.key, e.type, e.version, e.value, e.causation_id)
                   IS DISTINCT FROM (o.topic, o.key, o.type, o.version, o.value, o.causation_id)
                OR e.problem IS NOT NULL
                OR e.subject IS DISTINCT FROM e.key",
        ],
    },
];

pub(super) const POLLS: Law = Law {
    law: "S4",
    title: "a partition's records had their effect in its order, none left out below the fence",
    checked: "SELECT count(*) FROM chk.processed",
    violations: &[
        // Of what is none of our events only the position may be known.
        "SELECT format('%s is at %s of %s/%s and skipped %s %s at %s', f.service, f.next_offset,
                       r.topic, r.partition, coalesce(r.type, 'a record'),
                       coalesce(r.event_id::text, 'without an id'), r.\"offset\")
         FROM topic.records AS r
         JOIN chk.subscriptions AS s ON s.topic = r.topic AND s.type = r.type
         JOIN chk.fences AS f
              ON f.service = s.service AND f.topic = r.topic AND f.partition = r.partition
         LEFT JOIN chk.processed AS p ON p.service = s.service AND p.event_id = r.event_id
         WHERE p.event_id IS NULL AND r.\"offset\" < f.next_offset
           AND r.published_at > (SELECT kept_since FROM chk.clock)
           AND NOT EXISTS (SELECT FROM topic.letters AS l
                           WHERE l.service = s.service AND l.source_topic = r.topic
                             AND l.source_partition = r.partition
                             AND l.source_offset = r.\"offset\")
           AND NOT EXISTS (SELECT FROM chk.dead_letters AS d
                           WHERE d.service = s.service AND d.topic = r.topic
                             AND d.partition = r.partition AND d.\"offset\" = r.\"offset\")",
        "SELECT format('%s had the effect of %s %s, and its fence is at %s of %s/%s, before %s',
                       s.service, e.type, e.event_id, coalesce(f.next_offset, 0), e.topic,
                       e.partition, e.\"offset\")
         FROM topic.events AS e
         JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type
         JOIN chk.processed AS p ON p.service = s.service AND p.event_id = e.event_id
         LEFT JOIN chk.fences AS f
              ON f.service = s.service AND f.topic = e.topic AND f.partition = e.partition
         WHERE e.\"offset\" >= coalesce(f.next_offset, 0)",
        // One transaction takes a run of records, so runs are compared and not records. What was
        // settled by an operator had its effect later, by right.
        "SELECT format('%s took %s/%s@%s only after %s', service, topic, partition, first, before)
         FROM (SELECT service, topic, partition, first,
                      lag(last) OVER (PARTITION BY service, topic, partition ORDER BY tx) AS before
               FROM (SELECT p.service, e.topic, e.partition, p.tx, min(e.\"offset\") AS first,
                            max(e.\"offset\") AS last
                     FROM topic.events AS e
                     JOIN chk.subscriptions AS s ON s.topic = e.topic AND s.type = e.type
                     JOIN chk.processed AS p
                          ON p.service = s.service AND p.event_id = e.event_id
                     WHERE NOT EXISTS (SELECT FROM chk.dead_letters AS d
                                       WHERE d.service = p.service AND d.event_id = p.event_id)
                     GROUP BY p.service, e.topic, e.partition, p.tx) AS batches) AS runs
         WHERE first < before",
    ],
};

/// The spans themselves are looked at where there is a Jaeger.
pub(super) const TRACES: Law = Law {
    law: "S8",
    title: "all of an order's events and services are in one trace (spans: 99 % of the newest)",
    checked: "SELECT count(*) FROM topic.events AS e JOIN ord.orders AS o ON o.id::text = e.key
              WHERE o.traceparent IS NOT NULL",
    violations: &[
        "SELECT format('%s %s of order %s is in the trace %s, not in %s', e.type, e.event_id, e.key,
                       coalesce(replace(e.trace_id::text, '-', ''), 'of nobody'),
                       split_part(o.traceparent, '-', 2))
         FROM topic.events AS e
         JOIN ord.orders AS o ON o.id::text = e.key
         WHERE e.trace_id IS DISTINCT FROM split_part(o.traceparent, '-', 2)::uuid
           AND o.traceparent IS NOT NULL",
    ],
};
