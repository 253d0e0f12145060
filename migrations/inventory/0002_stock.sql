-- Stock: what lies where, who was promised what, and the book that explains both.
--
-- Hot tables carry no second index and no foreign key: rows and index entries are what an event
-- costs. Lines lie in arrays, one row per order and warehouse; the views unnest them.

CREATE TABLE warehouses (
    code      text             CONSTRAINT warehouses_pkey PRIMARY KEY,
    name      text             NOT NULL,
    -- ISO 3166 alpha-2.
    country   text             NOT NULL,
    latitude  double precision NOT NULL,
    longitude double precision NOT NULL
);

-- The middle of each country we ship to: near enough to rank warehouses by distance. Orders to a
-- country that is missing here are still filled, from warehouses by code.
CREATE TABLE destinations (
    country   text             CONSTRAINT destinations_pkey PRIMARY KEY,
    latitude  double precision NOT NULL,
    longitude double precision NOT NULL
);

-- The aggregate behind `stock.events`, and its lock: every writer of a SKU's stock locks its row
-- here first, in SKU order.
CREATE TABLE skus (
    sku                text    CONSTRAINT skus_pkey PRIMARY KEY
                               CONSTRAINT skus_sku_readable
                               CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    -- Of the last event of this SKU; 0 before the first.
    version            integer NOT NULL DEFAULT 0,
    -- The level that StockLevelChanged told last; null before the first.
    published_on_hand  bigint,
    published_reserved bigint
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Written once per batch and row, however many orders take from it. Free units are
-- on_hand - reserved.
CREATE TABLE stock (
    sku       text    NOT NULL,
    warehouse text    NOT NULL,
    on_hand   bigint  NOT NULL DEFAULT 0,
    -- Promised to orders, and still here.
    reserved  bigint  NOT NULL DEFAULT 0,
    -- LowStock is raised when fewer units than this are free; 0 never raises.
    threshold bigint  NOT NULL DEFAULT 0 CONSTRAINT stock_threshold_positive CHECK (threshold >= 0),
    -- The alarm was raised; it re-arms when as many as the threshold are free again.
    low       boolean NOT NULL DEFAULT false,
    CONSTRAINT stock_pkey PRIMARY KEY (sku, warehouse),
    CONSTRAINT stock_never_negative CHECK (on_hand >= 0 AND reserved BETWEEN 0 AND on_hand)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Append-only: one row per event or request, with every change it made to stock. It is read to
-- prove the books and, rarely, by people; so it has no index to pay for at each insert.
CREATE TABLE stock_ledger (
    at           timestamptz NOT NULL,
    -- The event or request that caused the change.
    causation_id uuid        NOT NULL,
    order_id     uuid,
    reason       text        NOT NULL CONSTRAINT stock_ledger_reason_known
                             CHECK (reason IN ('reserve', 'release', 'ship', 'receive', 'correct')),
    -- Why, in the words of the staff.
    note         text,
    skus         text[]      NOT NULL,
    warehouses   text[]      NOT NULL,
    d_on_hand    integer[]   NOT NULL,
    d_reserved   integer[]   NOT NULL,
    CONSTRAINT stock_ledger_lines_even CHECK (
        cardinality(skus) = cardinality(warehouses)
        AND cardinality(skus) = cardinality(d_on_hand)
        AND cardinality(skus) = cardinality(d_reserved)
    )
);

CREATE VIEW stock_ledger_lines AS
SELECT l.at, l.causation_id, l.order_id, l.reason, l.note,
       u.sku, u.warehouse, u.d_on_hand, u.d_reserved
FROM stock_ledger AS l,
     unnest(l.skus, l.warehouses, l.d_on_hand, l.d_reserved)
         AS u (sku, warehouse, d_on_hand, d_reserved);

-- The share of an order that one warehouse has set aside. Rows stay for good: that an order is
-- here is what makes its OrderPlaced harmless, however late it comes again.
CREATE TABLE reservations (
    order_id   uuid      NOT NULL,
    warehouse  text      NOT NULL,
    state      text      NOT NULL CONSTRAINT reservations_state_known
                         CHECK (state IN ('held', 'releasing', 'released', 'shipped')),
    skus       text[]    NOT NULL,
    quantities integer[] NOT NULL,
    CONSTRAINT reservations_pkey PRIMARY KEY (order_id, warehouse)
) WITH (fillfactor = 80);

CREATE VIEW reservation_lines AS
SELECT r.order_id, r.warehouse, r.state, u.sku, u.quantity
FROM reservations AS r, unnest(r.skus, r.quantities) AS u (sku, quantity);

-- Orders that shall never hold stock: refused for want of it, or cancelled without a reservation.
-- A rejected order becomes a cancelled one when its cancellation has been acknowledged.
CREATE TABLE tombstones (
    order_id uuid CONSTRAINT tombstones_pkey PRIMARY KEY,
    cause    text NOT NULL CONSTRAINT tombstones_cause_known
                  CHECK (cause IN ('rejected', 'cancelled'))
);

-- What a receipt or correction was answered, so that its repeat is answered the same and moves
-- nothing. The key is made of the caller and the `Idempotency-Key`; it never expires.
CREATE TABLE stock_adjustments (
    causation_id uuid  CONSTRAINT stock_adjustments_pkey PRIMARY KEY,
    -- Tells another request under the same key apart.
    fingerprint  bytea NOT NULL,
    answer       jsonb NOT NULL
);

-- What the service passes for a set of rows: arrays within rows do not survive `unnest` of
-- arrays. Types of their own, so that a column can be added to a table under a running service.
CREATE TYPE reservation_row AS (
    order_id   uuid,
    warehouse  text,
    state      text,
    skus       text[],
    quantities integer[]
);
CREATE TYPE stock_ledger_row AS (
    causation_id uuid,
    order_id     uuid,
    reason       text,
    note         text,
    skus         text[],
    warehouses   text[],
    d_on_hand    integer[],
    d_reserved   integer[]
);

INSERT INTO warehouses (code, name, country, latitude, longitude) VALUES
    ('BER', 'Berlin', 'DE', 52.52, 13.40),
    ('MAD', 'Madrid', 'ES', 40.42, -3.70),
    ('WAW', 'Warsaw', 'PL', 52.23, 21.01);

INSERT INTO destinations (country, latitude, longitude) VALUES
    ('AD', 42.55,    1.58), ('AL', 41.15,   20.07), ('AT', 47.59,   14.14), ('AU', -25.27, 133.78),
    ('BA', 44.17,   17.79), ('BE', 50.64,    4.66), ('BG', 42.76,   25.23), ('BR', -10.79, -53.10),
    ('CA', 61.36,  -98.31), ('CH', 46.80,    8.23), ('CY', 34.92,   33.00), ('CZ', 49.73,   15.31),
    ('DE', 51.11,   10.38), ('DK', 55.98,   10.03), ('EE', 58.67,   25.54), ('ES', 40.24,   -3.65),
    ('FI', 64.50,   26.27), ('FR', 46.60,    2.47), ('GB', 54.12,   -2.87), ('GR', 39.07,   22.96),
    ('HR', 45.08,   16.40), ('HU', 47.16,   19.40), ('IE', 53.18,   -8.14), ('IS', 64.99,  -18.57),
    ('IT', 42.80,   12.07), ('JP', 37.59,  138.03), ('LI', 47.14,    9.54), ('LT', 55.33,   23.89),
    ('LU', 49.77,    6.07), ('LV', 56.85,   24.91), ('MA', 29.84,   -8.46), ('MD', 47.19,   28.46),
    ('ME', 42.79,   19.24), ('MK', 41.60,   21.68), ('MT', 35.92,   14.41), ('NL', 52.10,    5.28),
    ('NO', 64.45,   13.70), ('PL', 52.13,   19.39), ('PT', 39.60,   -8.50), ('RO', 45.85,   24.97),
    ('RS', 44.22,   20.79), ('SE', 62.78,   16.75), ('SI', 46.12,   14.80), ('SK', 48.71,   19.48),
    ('TR', 39.06,   35.17), ('UA', 49.00,   31.38), ('US', 39.83,  -98.58);

-- Opening stock of the price list, through the ledger, so that it explains every unit. Plenty is
-- more than a load run empties. TRAY: an order for more than ten needs two warehouses.
-- APRON: scarce, with an alarm. KNIFE: known, and out of stock.
WITH opening (position, sku, ber, mad, waw) AS (
    VALUES ( 1, 'APRON',           5,        0,        0),
           ( 2, 'BOARD',    10000000, 10000000, 10000000),
           ( 3, 'ESPRESSO', 10000000, 10000000, 10000000),
           ( 4, 'GRINDER',  10000000, 10000000, 10000000),
           ( 5, 'KETTLE',   10000000, 10000000, 10000000),
           ( 6, 'KNIFE',           0,        0,        0),
           ( 7, 'MUG',      10000000, 10000000, 10000000),
           ( 8, 'POT',      10000000, 10000000, 10000000),
           ( 9, 'SCALE',    10000000, 10000000, 10000000),
           (10, 'TEAPOT',   10000000, 10000000, 10000000),
           (11, 'TOASTER',  10000000, 10000000, 10000000),
           (12, 'TRAY',           10,       10,       10)
), known AS (
    INSERT INTO skus (sku) SELECT sku FROM opening
), shelved AS (
    INSERT INTO stock (sku, warehouse, on_hand, threshold)
    SELECT sku, warehouse, on_hand, CASE sku WHEN 'APRON' THEN 3 ELSE 0 END
    FROM opening,
         LATERAL (VALUES ('BER', ber), ('MAD', mad), ('WAW', waw)) AS s (warehouse, on_hand)
    -- Aprons lie in one place only, or the empty shelves would be below the threshold at once.
    WHERE sku <> 'APRON' OR warehouse = 'BER'
)
INSERT INTO stock_ledger
    (at, causation_id, reason, note, skus, warehouses, d_on_hand, d_reserved)
SELECT now(),
       ('00000000-0000-7000-8000-' || lpad(to_hex(position), 12, '0'))::uuid,
       'receive',
       'opening stock',
       array_agg(sku ORDER BY warehouse),
       array_agg(warehouse ORDER BY warehouse),
       array_agg(on_hand ORDER BY warehouse),
       array_agg(0 ORDER BY warehouse)
FROM opening,
     LATERAL (VALUES ('BER', ber), ('MAD', mad), ('WAW', waw)) AS s (warehouse, on_hand)
WHERE on_hand > 0
GROUP BY position;
