-- What shipment knows of an order, and the lists that its warehouses work off.

-- One row per order: the aggregate. Whoever touches anything of an order locks this row first, so
-- whether it is void or dispatched is decided in one place.
CREATE TABLE fulfilments (
    order_id          uuid        NOT NULL CONSTRAINT fulfilments_pkey PRIMARY KEY,
    -- Aggregate version of the last event about it in shipment.events; 0 before the first.
    version           integer     NOT NULL DEFAULT 0,
    -- OrderConfirmed was seen; lists that are drafted later are released at once.
    confirmed         boolean     NOT NULL DEFAULT false,
    -- The tombstone: whatever comes of this order after it has no effect.
    cancelled_at      timestamptz,
    -- From OrderPlaced; null until it was seen.
    customer_id       text,
    ship_name         text,
    ship_street       text,
    ship_postal_code  text,
    ship_city         text,
    ship_country      text,
    -- From StockReserved, one entry per line, only while OrderPlaced has not been seen.
    alloc_warehouses  text[],
    alloc_skus        text[],
    alloc_quantities  integer[],
    -- What the warehouse does later continues the trace of the confirmation.
    traceparent       text,

    CONSTRAINT fulfilments_version_not_negative CHECK (version >= 0),
    CONSTRAINT fulfilments_placed_whole CHECK (
        num_nulls(customer_id, ship_name, ship_street, ship_postal_code, ship_city, ship_country)
            IN (0, 6)),
    CONSTRAINT fulfilments_allocated_whole CHECK (
        num_nulls(alloc_warehouses, alloc_skus, alloc_quantities) IN (0, 3))
) WITH (fillfactor = 70);

-- One row per order and warehouse, with its lines in arrays.
CREATE TABLE picking_lists (
    id              uuid        NOT NULL CONSTRAINT picking_lists_pkey PRIMARY KEY,
    order_id        uuid        NOT NULL,
    warehouse       text        NOT NULL,
    state           text        NOT NULL,
    skus            text[]      NOT NULL,
    quantities      integer[]   NOT NULL,
    created_at      timestamptz NOT NULL,
    -- When it came into its present state.
    changed_at      timestamptz NOT NULL,
    -- How often the carrier was asked in vain in this state, and when automatic mode asks again.
    attempts        integer     NOT NULL DEFAULT 0,
    retry_at        timestamptz,
    -- Why the carrier refused the parcel.
    failure         text,
    -- The parcel, once it has left.
    shipment_id     uuid,
    carrier         text,
    tracking_number text,
    dispatched_at   timestamptz,
    delivered_at    timestamptz,

    -- The natural key: an allocation that comes again drafts nothing.
    CONSTRAINT picking_lists_one_per_warehouse UNIQUE (order_id, warehouse),
    CONSTRAINT picking_lists_state CHECK (state IN (
        'draft', 'released', 'picked', 'packed', 'dispatched', 'delivered', 'void')),
    CONSTRAINT picking_lists_lines CHECK (
        cardinality(skus) > 0 AND cardinality(skus) = cardinality(quantities)
            AND 0 < ALL (quantities)),
    CONSTRAINT picking_lists_parcel CHECK (
        num_nulls(shipment_id, carrier, tracking_number, dispatched_at)
            = CASE WHEN state IN ('dispatched', 'delivered') THEN 0 ELSE 4 END),
    CONSTRAINT picking_lists_delivered CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
) WITH (fillfactor = 70);

-- A carrier tells of a parcel by its number. Most rows have none until late.
CREATE UNIQUE INDEX picking_lists_tracking_number ON picking_lists (carrier, tracking_number)
    WHERE tracking_number IS NOT NULL;

-- The work list, and what automatic mode takes next. Finished lists leave it, so it stays small.
CREATE INDEX picking_lists_open ON picking_lists (id)
    WHERE state IN ('released', 'picked', 'packed', 'dispatched');

-- Lines as rows.
CREATE VIEW picking_lines AS
    SELECT list.id AS list_id, line.sku, line.quantity
    FROM picking_lists AS list
    CROSS JOIN LATERAL unnest(list.skus, list.quantities) AS line (sku, quantity);

-- Parcels that left. A list becomes exactly one, so it is the same row.
CREATE VIEW shipments AS
    SELECT shipment_id AS id, order_id, id AS picking_list_id, warehouse, carrier,
           tracking_number, state, dispatched_at, delivered_at
    FROM picking_lists
    WHERE shipment_id IS NOT NULL;

-- Orders that were cancelled before anything of them left.
CREATE VIEW tombstones AS
    SELECT order_id, cancelled_at AS at
    FROM fulfilments
    WHERE cancelled_at IS NOT NULL;

-- What the service passes for a set of rows. Types of their own, so that a column can be added to a
-- table under a running service.
CREATE TYPE fulfilment_row AS (
    order_id         uuid,
    version          integer,
    confirmed        boolean,
    cancelled_at     timestamptz,
    customer_id      text,
    ship_name        text,
    ship_street      text,
    ship_postal_code text,
    ship_city        text,
    ship_country     text,
    alloc_warehouses text[],
    alloc_skus       text[],
    alloc_quantities integer[],
    traceparent      text
);
CREATE TYPE picking_list_row AS (
    id              uuid,
    order_id        uuid,
    warehouse       text,
    state           text,
    skus            text[],
    quantities      integer[],
    created_at      timestamptz,
    changed_at      timestamptz,
    attempts        integer,
    retry_at        timestamptz,
    failure         text,
    shipment_id     uuid,
    carrier         text,
    tracking_number text,
    dispatched_at   timestamptz,
    delivered_at    timestamptz
);
