use super::Law;

pub(super) const ACKED: Law = Law {
    law: "I1",
    title: "every order that a client was promised exists, once per key, and is on the topic",
    checked: "SELECT count(*) FROM hist.requests",
    violations: &[
        "SELECT format('order %s was promised to %s and is not theirs', a.order_id, a.customer_id)
         FROM hist.acks AS a
         LEFT JOIN ord.orders AS o ON o.id = a.order_id AND o.customer_id = a.customer_id
         WHERE o.id IS NULL",
        "SELECT format('key %s of %s was answered with %s orders, %s among them',
                       key, customer_id, count(DISTINCT order_id), min(order_id::text))
         FROM hist.acks
         WHERE key IS NOT NULL
         GROUP BY customer_id, key
         HAVING count(DISTINCT order_id) > 1",
        "SELECT format('key %s of %s was answered with order %s, and made %s',
                       key, customer_id, a.order_id, k.order_id)
         FROM hist.acks AS a
         JOIN ord.idempotency_keys AS k USING (customer_id, key)
         WHERE k.order_id <> a.order_id",
        "SELECT format('order %s was promised, or landed, and its OrderPlaced is not on the topic',
                       o.id)
         FROM hist.asked_for AS a
         JOIN ord.orders AS o ON o.id = a.order_id
         LEFT JOIN topic.events AS e ON e.type = 'OrderPlaced' AND e.key = o.id::text
         WHERE e.key IS NULL AND o.placed_at > (SELECT kept_since FROM chk.clock)",
        "SELECT format('key %s of %s was refused and made order %s', key, customer_id, k.order_id)
         FROM (SELECT customer_id, key FROM hist.requests
               GROUP BY customer_id, key HAVING bool_and(outcome = 'refused')) AS r
         JOIN ord.idempotency_keys AS k USING (customer_id, key)",
    ],
};

pub(super) const KNOWN: Law = Law {
    law: "I1",
    title: "every order that the order service knows is on the topic (no acks file was given)",
    checked: "SELECT count(*) FROM ord.orders",
    violations: &[
        "SELECT format('order %s is known, and its OrderPlaced is not on the topic', o.id)
         FROM ord.orders AS o
         LEFT JOIN topic.events AS e ON e.type = 'OrderPlaced' AND e.key = o.id::text
         WHERE e.key IS NULL AND o.placed_at > (SELECT kept_since FROM chk.clock)",
    ],
};

pub(super) const PLACED_ONCE: Law = Law {
    law: "I2",
    title: "one order per key; no order without its event, no event without its order",
    checked: "SELECT count(*) FROM ord.orders",
    violations: &[
        "SELECT format('order %s has %s idempotency keys', o.id, coalesce(k.keys, 0))
         FROM ord.orders AS o
         LEFT JOIN (SELECT order_id, count(*) AS keys FROM ord.idempotency_keys GROUP BY order_id)
              AS k ON k.order_id = o.id
         WHERE k.keys > 1
            OR k.keys IS NULL AND o.placed_at > (SELECT keys_since FROM chk.clock)",
        "SELECT format('key %s of %s made no order (%s)', k.key, k.customer_id, k.order_id)
         FROM ord.idempotency_keys AS k
         LEFT JOIN ord.orders AS o ON o.id = k.order_id AND o.customer_id = k.customer_id
         WHERE o.id IS NULL",
        "SELECT format('order %s has no OrderPlaced in the outbox', o.id)
         FROM ord.orders AS o
         LEFT JOIN chk.events AS e
              ON e.service = 'order' AND e.type = 'OrderPlaced' AND e.key = o.id::text
         WHERE e.key IS NULL AND o.placed_at > (SELECT kept_since FROM chk.clock)",
        "SELECT format('OrderPlaced %s is about order %s, which does not exist', e.event_id, e.key)
         FROM chk.events AS e
         LEFT JOIN ord.orders AS o ON o.id::text = e.key
         WHERE e.service = 'order' AND e.type = 'OrderPlaced' AND o.id IS NULL",
    ],
};

pub(super) const STATES: [Law; 1] = [Law {
    law: "I8",
    title: "orders change their state as they may, step by step, and stand where they went",
    checked: "SELECT count(*) FROM ord.timeline",
    violations: &[
        "SELECT format('order %s went from %s to %s', t.order_id, t.from_state, t.to_state)
         FROM ord.timeline AS t
         LEFT JOIN chk.transitions AS allowed
              ON allowed.from_state = coalesce(t.from_state, 'new')
             AND allowed.to_state = t.to_state
         WHERE allowed.to_state IS NULL",
        "SELECT format('order %s was %s and went on from %s',
                       order_id, coalesce(was, 'new'), coalesce(from_state, 'new'))
         FROM (SELECT order_id, from_state,
                      lag(to_state) OVER (PARTITION BY order_id ORDER BY id) AS was
               FROM ord.timeline) AS steps
         WHERE from_state IS DISTINCT FROM was",
        "SELECT format('order %s is %s, and last went to %s',
                       s.order_id, s.state, coalesce(last.to_state, 'nowhere'))
         FROM ord.sagas AS s
         LEFT JOIN (SELECT DISTINCT ON (order_id) order_id, to_state
                    FROM ord.timeline ORDER BY order_id, id DESC) AS last USING (order_id)
         WHERE s.state IS DISTINCT FROM last.to_state",
    ],
}];

pub(super) const ENDS: [Law; 1] = [Law {
    law: "I11",
    title: "every order has ended, and every participant acknowledged a cancellation",
    checked: "SELECT count(*) FROM ord.orders",
    violations: &[
        "SELECT format('order %s is %s', o.id, coalesce(s.state, 'without a saga'))
         FROM ord.orders AS o
         LEFT JOIN ord.sagas AS s ON s.order_id = o.id
         WHERE s.state IS NULL OR s.state NOT IN ('completed', 'cancelled')",
        "SELECT format('order %s is cancelled, and %s never acknowledged it', s.order_id, p.name)
         FROM ord.sagas AS s
         CROSS JOIN chk.participants AS p
         LEFT JOIN ord.saga_acks AS a ON a.order_id = s.order_id AND a.participant = p.name
         WHERE s.state = 'cancelled' AND a.order_id IS NULL",
    ],
}];

pub(super) const TOTALS: [Law; 1] = [Law {
    law: "S7",
    title: "orders = acked + landed = completed + cancelled, and each end was told once",
    checked: "SELECT count(*) FROM ord.orders",
    violations: &[
        // The outbox forgets, and then its sums are of the last days only.
        "WITH sums AS (
             SELECT (SELECT count(*) FROM ord.orders) AS orders, count(*) AS sagas,
                    count(*) FILTER (WHERE state = 'completed') AS completed,
                    count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
                    count(*) FILTER (WHERE cancel_reason IS NOT NULL) AS called_off
             FROM ord.sagas
         ), told AS (
             SELECT count(*) FILTER (WHERE type = 'OrderCompleted') AS completed,
                    count(*) FILTER (WHERE type = 'OrderCancelled') AS called_off,
                    coalesce(min(created_at) > (SELECT kept_since FROM chk.clock), true) AS all_kept
             FROM chk.events
             WHERE service = 'order'
         )
         SELECT format('%s orders, %s completed and %s cancelled', orders, s.completed, cancelled)
         FROM sums AS s WHERE orders <> s.completed + cancelled OR orders <> sagas
         UNION ALL
         SELECT format('%s orders completed, %s OrderCompleted', s.completed, t.completed)
         FROM sums AS s, told AS t WHERE all_kept AND s.completed <> t.completed
         UNION ALL
         SELECT format('%s orders were called off, %s OrderCancelled', s.called_off, t.called_off)
         FROM sums AS s, told AS t WHERE all_kept AND s.called_off <> t.called_off",
        "SELECT format('%s orders were promised, %s exist', promised, orders)
         FROM (SELECT (SELECT count(DISTINCT order_id) FROM hist.acks) AS promised,
                      (SELECT count(*) FROM ord.orders) AS orders) AS sums
         WHERE promised > orders",
        // Of whoever wrote down every request, no order is left that was not asked for. Keys are
        // promised for a day.
        "SELECT format('order %s of %s is there, and nobody asked for it', o.id, o.customer_id)
         FROM ord.orders AS o
         LEFT JOIN hist.asked_for AS a
              ON a.order_id = o.id AND a.customer_id = o.customer_id
         WHERE EXISTS (SELECT FROM hist.given WHERE what = 'every request')
           AND o.customer_id IN (SELECT customer_id FROM hist.requests)
           AND a.order_id IS NULL AND o.placed_at > (SELECT keys_since FROM chk.clock)",
    ],
}];
