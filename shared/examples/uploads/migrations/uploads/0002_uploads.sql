-- Every upload by the key it was sent under, so that its repeat is answered the same and tells
-- nobody twice. Rows never expire.
CREATE TABLE uploads (
    user_id         text  NOT NULL,
    idempotency_key text  NOT NULL,
    -- Tells another request under the same key apart.
    fingerprint     bytea NOT NULL,
    image_id        uuid  NOT NULL,
    -- Null where no trace was recorded.
    trace_id        text,
    CONSTRAINT uploads_pkey PRIMARY KEY (user_id, idempotency_key)
);

-- The aggregate that events are about. Locked before each of them, so their order is its versions'.
CREATE TABLE uploaders (
    user_id text    CONSTRAINT uploaders_pkey PRIMARY KEY,
    -- Of the user's last event.
    version integer NOT NULL CONSTRAINT uploaders_version_positive CHECK (version > 0)
) WITH (fillfactor = 80);
