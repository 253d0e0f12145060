-- The words that an image is found by. The index in memory is made of this, whenever a process
-- starts, and follows it.
CREATE TABLE images (
    image_id uuid CONSTRAINT images_pkey PRIMARY KEY,
    title    text NOT NULL,
    -- One a line.
    tags     text NOT NULL,
    -- What the index follows the table by. A number drawn per row would lose rows: a transaction
    -- that ends later may hold a lower one.
    tx_id    xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE INDEX images_tx_id ON images (tx_id);
