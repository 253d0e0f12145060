use super::Law;

pub(super) const KEPT: Law = Law {
    law: "I15",
    title: "what cannot be processed is kept once, and nothing healthy is among it",
    checked: "SELECT (SELECT count(*) FROM chk.processed WHERE outcome <> 0)
                   + (SELECT count(*) FROM topic.letters) + (SELECT count(*) FROM hist.poisoned)",
    violations: &[
        "SELECT format('%s rejected %s and kept no dead letter', p.service, p.event_id)
         FROM chk.processed AS p
         LEFT JOIN chk.outbox AS o
              ON o.service = p.service AND o.event_id = p.event_id AND o.version IS NULL
         LEFT JOIN chk.dead_letters AS d
              ON d.service = p.service AND d.event_id = p.event_id
         WHERE p.outcome = 1 AND o.event_id IS NULL AND d.event_id IS NULL
           AND NOT EXISTS (SELECT FROM chk.outbox
                           WHERE created_at < (SELECT kept_since FROM chk.clock))",
        "SELECT format('%s lets %s wait and has not kept it', p.service, p.event_id)
         FROM chk.processed AS p
         LEFT JOIN chk.dead_letters AS d
              ON d.service = p.service AND d.event_id = p.event_id
         WHERE p.outcome = 2 AND d.event_id IS NULL
           AND NOT EXISTS (SELECT FROM chk.outbox
                           WHERE created_at < (SELECT kept_since FROM chk.clock))",
        // Of a discarded one the outcome stays what it was.
        "SELECT format('%s keeps %s as %s, and its outcome is %s', d.service, d.event_id,
                       (ARRAY['open', 'parked', 'replayed'])[d.state + 1],
                       coalesce(p.outcome::text, 'not known'))
         FROM chk.dead_letters AS d
         LEFT JOIN chk.processed AS p
              ON p.service = d.service AND p.event_id = d.event_id
         WHERE d.state < 3 AND p.outcome IS DISTINCT FROM (ARRAY[1, 2, 0])[d.state + 1]",
        "SELECT format('%s lets %s wait behind nothing (%s/%s@%s)', d.service, d.event_id, d.topic,
                       d.partition, d.\"offset\")
         FROM chk.dead_letters AS d
         WHERE d.state = 1
           AND NOT EXISTS (SELECT FROM chk.dead_letters AS o
                           WHERE o.state = 0 AND o.service = d.service AND o.topic = d.topic
                             AND o.key = d.key)",
        "SELECT format('%s keeps %s as a dead letter that it never published', d.service,
                       d.event_id)
         FROM chk.dead_letters AS d
         LEFT JOIN chk.outbox AS o
              ON o.service = d.service AND o.event_id = d.event_id AND o.version IS NULL
         WHERE d.state = 0 AND d.attempts = 1 AND o.event_id IS NULL
           AND NOT EXISTS (SELECT FROM chk.outbox
                           WHERE created_at < (SELECT kept_since FROM chk.clock))",
        "SELECT format('%s kept %s dead letters of %s', service, count(*), event_id)
         FROM chk.outbox
         WHERE version IS NULL
         GROUP BY service, event_id
         HAVING count(*) > 1",
        "SELECT format('dead letter %s of %s is not on %s', o.event_id, o.service, o.topic)
         FROM chk.outbox AS o
         JOIN chk.watermarks AS w ON w.service = o.service AND w.shard = o.shard
         WHERE o.version IS NULL AND o.tx_id < w.tx_id
           AND o.created_at > (SELECT kept_since FROM chk.clock)
           AND NOT EXISTS (SELECT FROM topic.letters AS l
                           WHERE l.topic = o.topic
                             AND coalesce(l.value, '') = coalesce(o.value, ''))",
        "SELECT format('%s rejected the healthy %s %s of %s (%s)', l.service, e.type, e.event_id,
                       e.key, l.code)
         FROM topic.letters AS l
         JOIN topic.records AS r
              ON r.topic = l.source_topic AND r.partition = l.source_partition
             AND r.\"offset\" = l.source_offset
         JOIN chk.events AS e ON e.event_id = r.event_id
         WHERE (r.topic, r.type, r.key, r.version, r.value)
               = (e.topic, e.type, e.key, e.version, e.value)",
        // With what was injected at hand, one that was not is healthy whatever it looks like.
        "SELECT format('%s rejected %s/%s@%s (%s), which nobody poisoned', l.service,
                       l.source_topic, l.source_partition, l.source_offset, l.code)
         FROM topic.letters AS l
         JOIN topic.partitions AS p
              ON p.topic = l.source_topic AND p.partition = l.source_partition
         LEFT JOIN hist.poisoned AS x
              ON x.topic = l.source_topic AND x.partition = l.source_partition
             AND x.\"offset\" = l.source_offset AND x.service = l.service
         LEFT JOIN topic.records AS r
              ON r.topic = l.source_topic AND r.partition = l.source_partition
             AND r.\"offset\" = l.source_offset
         LEFT JOIN chk.events AS e ON e.event_id = r.event_id
         WHERE EXISTS (SELECT FROM hist.given WHERE what = 'poison')
           AND x.topic IS NULL
           AND (r.topic, r.type, r.key, r.version, r.value)
               IS DISTINCT FROM (e.topic, e.type, e.key, e.version, e.value)",
        // A letter may be on its topic more than once; a table's rows may not. What was parked
        // behind other poison is kept, too.
        "WITH kept AS (
             SELECT service, source_topic AS topic, source_partition AS partition,
                    source_offset AS \"offset\", value,
                    coalesce(event_id::text, 'no id') AS id
             FROM topic.letters
             UNION ALL
             SELECT service, topic, partition, \"offset\", value, NULL FROM chk.dead_letters
         ), known AS (
             SELECT x.service, p.topic, p.partition, p.\"offset\", p.kind,
                    count(k.topic) AS kept, count(DISTINCT k.id) AS ids,
                    count(k.topic) FILTER (WHERE k.id IS NULL) AS rows,
                    bool_or(k.topic IS NOT NULL AND k.value IS DISTINCT FROM p.value) AS changed
             FROM hist.poisoned AS x
             JOIN hist.poison AS p USING (topic, partition, \"offset\")
             LEFT JOIN kept AS k USING (service, topic, partition, \"offset\")
             GROUP BY x.service, p.topic, p.partition, p.\"offset\", p.kind
         )
         SELECT format('%s poison at %s/%s@%s (%s): %s', service, topic, partition, \"offset\",
                       kind, CASE WHEN kept = 0 THEN 'no dead letter'
                                  WHEN changed THEN 'its bytes were changed'
                                  ELSE format('kept %s times', greatest(ids, rows)) END)
         FROM known
         WHERE kept = 0 OR ids > 1 OR rows > 1 OR changed",
        "SELECT format('poison %s at %s/%s@%s is not there as it was sent', x.kind, x.topic,
                       x.partition, x.\"offset\")
         FROM hist.poison AS x
         LEFT JOIN topic.partitions AS p USING (topic, partition)
         LEFT JOIN topic.records AS r
              ON r.topic = x.topic AND r.partition = x.partition AND r.\"offset\" = x.\"offset\"
         WHERE (p.low IS NULL OR x.\"offset\" >= p.low)
           AND (r.topic IS NULL OR r.value IS DISTINCT FROM x.value)",
    ],
};

pub(super) const UNCHANGED: Law = Law {
    law: "S5",
    title: "a dead letter keeps the bytes, key, headers and position of its record",
    checked: "SELECT (SELECT count(*) FROM topic.letters)
                   + (SELECT count(*) FROM chk.dead_letters)",
    violations: &[
        "SELECT format('%s/%s@%s differs in %s from its original %s/%s@%s', l.topic, l.partition,
                       l.\"offset\",
                       concat_ws(' and ',
                           CASE WHEN r.topic IS NULL THEN 'everything' END,
                           CASE WHEN r.value IS DISTINCT FROM l.value THEN 'value' END,
                           CASE WHEN r.key IS DISTINCT FROM l.key THEN 'key' END,
                           CASE WHEN r.headers IS DISTINCT FROM l.headers THEN 'headers' END),
                       l.source_topic, l.source_partition, l.source_offset)
         FROM topic.letters AS l
         LEFT JOIN topic.partitions AS p
              ON p.topic = l.source_topic AND p.partition = l.source_partition
         LEFT JOIN topic.records AS r
              ON r.topic = l.source_topic AND r.partition = l.source_partition
             AND r.\"offset\" = l.source_offset
         WHERE (p.low IS NULL OR l.source_offset >= p.low)
           AND (r.topic IS NULL
                OR (r.value, r.key, r.headers) IS DISTINCT FROM (l.value, l.key, l.headers))",
        "SELECT format('%s/%s@%s says that it is from %s and of %s', l.topic, l.partition,
                       l.\"offset\", l.source_topic, l.service)
         FROM topic.letters AS l
         WHERE l.topic IS DISTINCT FROM format('%s.%s.dlt', l.source_topic, l.service)",
        "SELECT format('%s/%s@%s is on %s as %s events', source_topic, source_partition,
                       source_offset, topic, count(DISTINCT coalesce(event_id::text, 'no id')))
         FROM topic.letters
         GROUP BY topic, source_topic, source_partition, source_offset
         HAVING count(DISTINCT coalesce(event_id::text, 'no id')) > 1",
        // Its key is kept where later events wait for it.
        "SELECT format('%s keeps %s with another %s than %s/%s@%s', d.service, d.event_id,
                       CASE WHEN r.topic IS NULL THEN 'position'
                            WHEN r.value IS DISTINCT FROM d.value THEN 'value'
                            ELSE 'key' END,
                       d.topic, d.partition, d.\"offset\")
         FROM chk.dead_letters AS d
         LEFT JOIN topic.partitions AS p USING (topic, partition)
         LEFT JOIN topic.records AS r
              ON r.topic = d.topic AND r.partition = d.partition AND r.\"offset\" = d.\"offset\"
         WHERE (p.low IS NULL OR d.\"offset\" >= p.low)
           AND (r.topic IS NULL OR r.value IS DISTINCT FROM d.value
                OR d.key <> convert_to(r.key, 'UTF8'))",
    ],
};
