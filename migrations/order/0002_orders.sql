-- Orders, what became of them, and how it came about.

-- The price list: prices come from here and never from a request.
CREATE TABLE products (
    sku              text   PRIMARY KEY,
    name             text   NOT NULL,
    unit_price_minor bigint NOT NULL,
    -- ISO 4217. One order has one currency.
    currency         text   NOT NULL,
    CONSTRAINT products_price_positive CHECK (unit_price_minor > 0),
    CONSTRAINT products_currency_iso CHECK (currency ~ '^[A-Z]{3}$')
);

INSERT INTO products (sku, name, unit_price_minor, currency) VALUES
    ('KETTLE',   'Electric kettle, 1.7 l',        1999, 'EUR'),
    ('TEAPOT',   'Stoneware teapot',              2490, 'EUR'),
    ('MUG',      'Enamel mug',                     890, 'EUR'),
    ('TOASTER',  'Two-slot toaster',              3995, 'EUR'),
    ('GRINDER',  'Burr coffee grinder',           8900, 'EUR'),
    ('ESPRESSO', 'Dual-boiler espresso machine', 129900, 'EUR'),
    ('SCALE',    'Kitchen scale, 0.1 g',          2995, 'EUR'),
    ('TRAY',     'Serving tray, oak',             3450, 'EUR'),
    ('APRON',    'Linen apron',                   2790, 'EUR'),
    ('KNIFE',    'Chef''s knife, 20 cm',          7900, 'EUR'),
    ('BOARD',    'Chopping board, beech',         1890, 'EUR'),
    ('POT',      'Cast iron pot, 4 l',            6500, 'EUR');

-- What was ordered: written once, never changed. A row holds its lines, because rows and index
-- entries are what an order costs.
CREATE TABLE orders (
    id                  uuid        PRIMARY KEY,
    placed_at           timestamptz NOT NULL,
    total_minor         bigint      NOT NULL,
    -- From the token; the owner in every WHERE clause of a customer's request.
    customer_id         text        NOT NULL,
    channel             text        NOT NULL,
    -- The channel's own order number.
    external_ref        text,
    currency            text        NOT NULL,
    skus                text[]      NOT NULL,
    quantities          integer[]   NOT NULL,
    unit_prices_minor   bigint[]    NOT NULL,
    ship_to_name        text        NOT NULL,
    ship_to_street      text        NOT NULL,
    ship_to_postal_code text        NOT NULL,
    ship_to_city        text        NOT NULL,
    ship_to_country     text        NOT NULL,
    -- A token, never a number.
    card                text        NOT NULL,
    -- What a deadline or a cancellation continues, so that one order is one trace.
    traceparent         text,
    CONSTRAINT orders_total_positive CHECK (total_minor > 0),
    CONSTRAINT orders_lines_aligned CHECK (
        cardinality(skus) > 0
        AND cardinality(skus) = cardinality(quantities)
        AND cardinality(skus) = cardinality(unit_prices_minor)
    )
);

-- A shop front that submits an order of its channel again must not sell it twice.
CREATE UNIQUE INDEX orders_channel_ref_unique ON orders (channel, external_ref)
    WHERE external_ref IS NOT NULL;
-- A customer's own orders, newest first: ids are time-ordered.
CREATE INDEX orders_customer ON orders (customer_id, id DESC);

CREATE VIEW order_lines AS
SELECT o.id AS order_id, l.sku, l.quantity, l.unit_price_minor
FROM orders o
CROSS JOIN LATERAL unnest(o.skus, o.quantities, o.unit_prices_minor)
    AS l (sku, quantity, unit_price_minor);

-- Which request an order came from. A key is promised for 24 hours and swept after.
CREATE TABLE idempotency_keys (
    created_at  timestamptz NOT NULL,
    -- The answer is told from the order's own row, which never changes.
    order_id    uuid        NOT NULL,
    customer_id text        NOT NULL,
    key         text        NOT NULL,
    -- SHA-256 of the request, to refuse a key that is used for another one.
    fingerprint bytea       NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (customer_id, key)
);
-- For the sweep. Rows lie in the order of their time, so a block range index costs next to nothing.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);

-- Names of what an order and its parts can be. As domains, because Postgres reads a domain's rule
-- once per session, and a table's anew in every statement that writes.
CREATE DOMAIN order_state AS text CONSTRAINT order_state_known CHECK (VALUE IN (
    'pending', 'confirmed', 'shipped', 'completed', 'cancelling', 'cancelled'));
CREATE DOMAIN saga_verdict AS text CONSTRAINT saga_verdict_known CHECK (VALUE IN (
    'awaited', 'held', 'overdue', 'approved', 'approved_by_policy', 'blocked'));
CREATE DOMAIN saga_stock AS text CONSTRAINT saga_stock_known CHECK (VALUE IN (
    'awaited', 'reserved', 'rejected'));
CREATE DOMAIN saga_charge AS text CONSTRAINT saga_charge_known CHECK (VALUE IN (
    'authorized', 'captured', 'voided'));
CREATE DOMAIN saga_due AS text CONSTRAINT saga_due_known CHECK (VALUE IN (
    'verdict', 'hold', 'stock', 'dispatch', 'acks'));
CREATE DOMAIN saga_participant AS text CONSTRAINT saga_participant_known CHECK (VALUE IN (
    'inventory', 'shipment'));

-- How far an order is: one row per order, and its lock.
CREATE TABLE sagas (
    order_id          uuid         PRIMARY KEY,
    amount_minor      bigint       NOT NULL,
    -- When the state was entered.
    since             timestamptz  NOT NULL,
    updated_at        timestamptz  NOT NULL,
    -- When the verdict became what it is; a hold counts from here.
    verdict_at        timestamptz  NOT NULL,
    -- The next deadline, and what it is for. Timers in memory would be lost in a crash.
    due_at            timestamptz,
    -- Aggregate version of the order's last event on order.events.
    version           integer      NOT NULL,
    -- Known once stock is reserved: one parcel per warehouse.
    parcels_expected  integer,
    -- Times that acknowledgements were overdue.
    acks_overdue      integer      NOT NULL DEFAULT 0,
    -- While cancelling: who has not yet acknowledged.
    awaits_inventory  boolean      NOT NULL DEFAULT false,
    awaits_shipment   boolean      NOT NULL DEFAULT false,
    -- Fraud was found after dispatch, and staff were told.
    recalled          boolean      NOT NULL DEFAULT false,
    was_confirmed     boolean,
    customer_id       text         NOT NULL,
    state             order_state  NOT NULL,
    due_for           saga_due,
    verdict           saga_verdict NOT NULL,
    stock             saga_stock   NOT NULL,
    charge            saga_charge  NOT NULL,
    cancel_reason     text,
    cancel_detail     text,
    parcels           jsonb        NOT NULL DEFAULT '[]',
    CONSTRAINT sagas_due_whole CHECK ((due_at IS NULL) = (due_for IS NULL)),
    -- None hangs: before the goods have left, something always falls due.
    CONSTRAINT sagas_due_armed CHECK (
        (due_at IS NOT NULL) = (state IN ('pending', 'confirmed', 'cancelling'))),
    CONSTRAINT sagas_cancellation_told CHECK (
        state NOT IN ('cancelling', 'cancelled')
        OR (cancel_reason IS NOT NULL AND cancel_detail IS NOT NULL AND was_confirmed IS NOT NULL)),
    CONSTRAINT sagas_acks_awaited CHECK (
        (awaits_inventory OR awaits_shipment) = (state = 'cancelling')),
    CONSTRAINT sagas_charge_follows CHECK (
        (charge = 'captured') = (state IN ('shipped', 'completed'))
        AND (charge = 'voided') = (state = 'cancelled'))
) WITH (
    -- Every order's row is rewritten some ten times.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX sagas_due_at ON sagas (due_at) WHERE due_at IS NOT NULL;

-- Who has confirmed that nothing of a cancelled order is left with them.
CREATE TABLE saga_acks (
    order_id    uuid             NOT NULL,
    acked_at    timestamptz      NOT NULL,
    participant saga_participant NOT NULL,
    CONSTRAINT saga_acks_pkey PRIMARY KEY (order_id, participant)
);

-- What happened to an order, in order; written once. The key makes an event that is processed
-- again, long after its inbox row is gone, leave no second trace.
CREATE TABLE order_timeline (
    order_id     uuid        NOT NULL,
    -- The event; for a request or a deadline its own id; for the placing the order's id.
    event_id     uuid        NOT NULL,
    -- Drawn under the saga's lock, so within an order it is the order of what happened.
    id           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- The transaction's time.
    at           timestamptz NOT NULL,
    -- Near its end.
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it had happened at the producer, was handed to Kafka, was polled here. Null for what
    -- did not come by Kafka.
    occurred_at  timestamptz,
    published_at timestamptz,
    received_at  timestamptz,
    -- The event had been processed before, and had no effect now.
    duplicate    boolean     NOT NULL,
    type         text        NOT NULL,
    what         text        NOT NULL,
    -- Both null where the state stayed; from_state alone is null where the order began.
    from_state   order_state,
    to_state     order_state,
    trace_id     bytea,
    -- Types of the events that followed from it.
    led_to       text[]      NOT NULL,
    CONSTRAINT order_timeline_pkey PRIMARY KEY (order_id, event_id, duplicate)
);

-- What the service passes for a set of rows. Types of their own, so that a column can be added to a
-- table under a running service.
CREATE TYPE new_order_row AS (
    order_id          uuid,
    customer_id       text,
    key               text,
    fingerprint       bytea,
    channel           text,
    external_ref      text,
    currency          text,
    total_minor       bigint,
    skus              text[],
    quantities        integer[],
    unit_prices_minor bigint[],
    name              text,
    street            text,
    postal_code       text,
    city              text,
    country           text,
    card              text,
    traceparent       text,
    due_at            timestamptz,
    due_for           text,
    trace_id          bytea,
    led_to            text[]
);
CREATE TYPE saga_row AS (
    order_id         uuid,
    state            text,
    since            timestamptz,
    version          integer,
    verdict          text,
    verdict_at       timestamptz,
    stock            text,
    parcels_expected integer,
    parcels          jsonb,
    charge           text,
    cancel_reason    text,
    cancel_detail    text,
    was_confirmed    boolean,
    awaits_inventory boolean,
    awaits_shipment  boolean,
    acks_overdue     integer,
    recalled         boolean,
    due_at           timestamptz,
    due_for          text,
    updated_at       timestamptz
);
CREATE TYPE order_timeline_row AS (
    order_id     uuid,
    event_id     uuid,
    at           timestamptz,
    occurred_at  timestamptz,
    published_at timestamptz,
    received_at  timestamptz,
    duplicate    boolean,
    type         text,
    what         text,
    from_state   text,
    to_state     text,
    trace_id     bytea,
    led_to       text[]
);
