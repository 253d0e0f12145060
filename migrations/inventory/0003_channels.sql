-- Sales channels. A channel may sell what is free, less its buffer: units kept back because orders
-- of a marketplace come in later than they were sold.

CREATE TABLE channels (
    code   text   CONSTRAINT channels_pkey PRIMARY KEY,
    name   text   NOT NULL,
    buffer bigint NOT NULL DEFAULT 0 CONSTRAINT channels_buffer_positive CHECK (buffer >= 0)
);

INSERT INTO channels (code, name) VALUES
    ('amazon', 'Amazon'),
    ('ebay', 'eBay'),
    ('shopify', 'Shopify'),
    ('web', 'Web shop');
