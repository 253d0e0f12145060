-- The tables as the books draw them: a row per fact, text and JSON where people look, an index
-- for every question.

CREATE TABLE processed_events (
    consumer_group text        NOT NULL,
    event_id       uuid        NOT NULL,
    processed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, event_id)
);

CREATE TABLE stock (
    sku       text   NOT NULL,
    warehouse text   NOT NULL,
    on_hand   bigint NOT NULL,
    reserved  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (sku, warehouse),
    CHECK (on_hand >= 0 AND reserved BETWEEN 0 AND on_hand)
);

CREATE TABLE reservations (
    order_id   uuid        NOT NULL,
    sku        text        NOT NULL,
    warehouse  text        NOT NULL,
    quantity   integer     NOT NULL,
    state      text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, sku, warehouse)
);

CREATE TABLE rejections (
    order_id   uuid        PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    id           uuid        PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    type         text        NOT NULL,
    topic        text        NOT NULL,
    key          text        NOT NULL,
    headers      jsonb       NOT NULL,
    payload      bytea       NOT NULL,
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (created_at) WHERE published_at IS NULL;

CREATE TABLE dead_letters (
    topic     text        NOT NULL,
    partition integer     NOT NULL,
    "offset"  bigint      NOT NULL,
    value     bytea,
    error     text        NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);

-- Nearest warehouse first.
CREATE TABLE routes (
    country   text    NOT NULL,
    position  integer NOT NULL,
    warehouse text    NOT NULL,
    PRIMARY KEY (country, position)
);
INSERT INTO routes VALUES
    ('DE', 1, 'BER'), ('DE', 2, 'WAW'), ('DE', 3, 'MAD'),
    ('ES', 1, 'MAD'), ('ES', 2, 'BER'), ('ES', 3, 'WAW'),
    ('PL', 1, 'WAW'), ('PL', 2, 'BER'), ('PL', 3, 'MAD');
