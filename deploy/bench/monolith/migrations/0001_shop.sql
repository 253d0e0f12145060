-- The whole shop in one database.

CREATE TABLE stock (
    sku              text    CONSTRAINT stock_pkey PRIMARY KEY,
    unit_price_minor bigint  NOT NULL,
    on_hand          bigint  NOT NULL CONSTRAINT stock_never_negative CHECK (on_hand >= 0)
);

CREATE TABLE wallets (
    customer_id text   CONSTRAINT wallets_pkey PRIMARY KEY,
    spent_minor bigint NOT NULL
);

CREATE TABLE orders (
    id              uuid        CONSTRAINT orders_pkey PRIMARY KEY,
    customer_id     text        NOT NULL,
    idempotency_key text        NOT NULL,
    sku             text        NOT NULL,
    quantity        integer     NOT NULL,
    total_minor     bigint      NOT NULL,
    -- reserved: the gateway is being asked; charged: paid; undone: the stock went back.
    state           text        NOT NULL CONSTRAINT orders_state_known
                                CHECK (state IN ('reserved', 'charged', 'undone')),
    mailed          boolean     NOT NULL DEFAULT false,
    placed_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT orders_key_once UNIQUE (customer_id, idempotency_key)
);

INSERT INTO stock (sku, unit_price_minor, on_hand) VALUES
    ('KETTLE', 1999, 10000000), ('MUG', 799, 10000000), ('POT', 2499, 10000000);
