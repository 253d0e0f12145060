use super::Law;

pub(super) const SIGHTINGS: Law = Law {
    law: "S6",
    title: "clients find what they were promised, see no order go back, and nobody else's",
    checked: "SELECT count(*) FROM hist.observations",
    violations: &[
        "SELECT format('order %s was promised to %s and not found at %s', order_id, customer_id,
                       s.at)
         FROM hist.observations AS s
         WHERE s.status IS NULL
           AND (order_id, customer_id) IN (SELECT order_id, customer_id FROM hist.acks)",
        "SELECT format('order %s was %s and then %s at %s', order_id, before, status, at)
         FROM (SELECT order_id, status, at,
                      lag(status) OVER (PARTITION BY order_id ORDER BY at, n) AS before
               FROM hist.observations
               WHERE status IS NOT NULL) AS s
         LEFT JOIN chk.reachable AS r ON r.from_state = before AND r.to_state = status
         WHERE before IS NOT NULL AND r.to_state IS NULL",
        "SELECT format('order %s was shown as %s at %s, and is %s', order_id, s.status, s.at,
                       coalesce(g.state, 'not there'))
         FROM (SELECT DISTINCT ON (order_id) order_id, status, at
               FROM hist.observations
               WHERE status IS NOT NULL
               ORDER BY order_id, at DESC, n DESC) AS s
         LEFT JOIN ord.sagas AS g USING (order_id)
         LEFT JOIN chk.reachable AS r ON r.from_state = s.status AND r.to_state = g.state
         WHERE r.to_state IS NULL",
        "SELECT format('order %s of %s was shown to %s at %s', order_id, o.customer_id,
                       s.customer_id, s.at)
         FROM hist.observations AS s
         JOIN ord.orders AS o ON o.id = s.order_id
         WHERE s.status IS NOT NULL AND s.customer_id <> o.customer_id",
    ],
};
