-- The rail's own tables. Identical in every service's folder.

-- Schema ids of the registry, written by `ticketrail init`, so that a service starts and runs
-- while the registry is down.
CREATE TABLE schema_ids (
    id      integer PRIMARY KEY,
    -- `<topic>-<namespace>.<Record>`; several subjects may share a schema, and so an id.
    subject text    NOT NULL,
    schema  text    NOT NULL
);

-- Events to publish: inserted with the effect they tell of, never updated, never deleted; whole
-- days are dropped. There is no primary key: the one index serves the relay, which asks for rows
-- of transactions it has not seen.
CREATE TABLE outbox (
    -- Drawn after the aggregate's row is locked, so within one key id order is commit order.
    id           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
    -- What the watermark counts in. A row id would lose rows: a newer transaction may hold a
    -- lower id.
    tx_id        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    created_at   timestamptz NOT NULL DEFAULT now(),
    event_id     uuid        NOT NULL,
    -- The event or request that caused this one.
    causation_id uuid        NOT NULL,
    -- Of the aggregate; null for a dead letter, which is no event of ours.
    version      integer,
    shard        smallint    NOT NULL,
    type         text        NOT NULL,
    topic        text        NOT NULL,
    key          text,
    -- Trace context and what else travels beside the event, packed; for a dead letter all headers
    -- of the original record.
    headers      bytea       NOT NULL,
    -- The record's value, as it goes on the wire.
    payload      bytea
) PARTITION BY RANGE (created_at);

CREATE INDEX outbox_tx_id ON outbox (tx_id);
CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;

-- What is passed for a set of them. To unpack one array of rows takes about half as long as one
-- array for each column, where a transaction has a row or two. A type of its own, so that a column
-- can be added to the table under a running service.
CREATE TYPE outbox_row AS (
    event_id     uuid,
    causation_id uuid,
    version      integer,
    shard        smallint,
    type         text,
    topic        text,
    key          text,
    headers      bytea,
    payload      bytea
);

-- Rows of transactions below the watermark are surely published. One row per shard; who holds the
-- shard's advisory lock moves it.
CREATE TABLE outbox_watermark (
    shard smallint PRIMARY KEY,
    tx_id xid8     NOT NULL,
    -- Set by an operator: the shard's owner publishes again from here, and clears it.
    republish_from xid8
);
INSERT INTO outbox_watermark SELECT shard, '0'::xid8 FROM generate_series(0, 3) AS shard;

-- The inbox: every event this service has processed. The bare key is all it takes; one database
-- belongs to one consumer group.
CREATE TABLE processed_events (
    event_id uuid     NOT NULL PRIMARY KEY,
    -- 0 applied, 1 dead-lettered, 2 parked behind a dead letter.
    outcome  smallint NOT NULL DEFAULT 0
) PARTITION BY RANGE (event_id);

-- For ids far off in time.
CREATE TABLE processed_events_default PARTITION OF processed_events DEFAULT;

-- The fence: who owns a partition, and up to where its records have had their effect. Compared and
-- set in the effects' own transaction, so an owner that was replaced cannot commit.
CREATE TABLE consumer_offsets (
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    -- Rises whenever a consumer takes the partition over.
    epoch       bigint  NOT NULL,
    next_offset bigint  NOT NULL,
    -- The crash marker: who finds it here when taking over knows that the owner before did not
    -- survive, or was replaced during, its attempt at the records from `next_offset` to below this
    -- one. Cleared by every commit.
    attempted_to bigint,
    -- How often the one record below `attempted_to` was attempted by itself.
    attempts    smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- What could not be processed, as it came; and parked behind it what came later for the same
-- aggregate, which must not overtake it.
CREATE TABLE dead_letters (
    -- In the order in which they came.
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     uuid        NOT NULL UNIQUE,
    topic        text        NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    -- Later events of this topic and key wait. Null where a record tells of no aggregate.
    key          bytea,
    type         text        NOT NULL,
    -- 0 open, 1 parked, 2 replayed, 3 discarded.
    state        smallint    NOT NULL,
    -- By which they are grouped; and what exactly went wrong.
    code         text        NOT NULL,
    detail       text        NOT NULL,
    -- The record's own headers and key, packed.
    headers      bytea       NOT NULL,
    value        bytea,
    -- What an operator had it replayed with instead of its own value.
    edited_value bytea,
    published_at timestamptz NOT NULL,
    failed_at    timestamptz NOT NULL DEFAULT now(),
    attempts     integer     NOT NULL DEFAULT 1,
    settled_at   timestamptz
);

CREATE INDEX dead_letters_holding ON dead_letters (topic, key, id)
    WHERE state < 2 AND key IS NOT NULL;

-- What operators did, never changed.
CREATE TABLE audit_log (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    -- Who, as their token says, and why, as they say.
    actor  text        NOT NULL,
    reason text        NOT NULL,
    action text        NOT NULL,
    -- On what, and what came of it.
    target text        NOT NULL,
    result text        NOT NULL
);

-- The smallest UUIDv7 of a moment.
CREATE FUNCTION uuid_v7_floor(moment timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
            || '7000' || '8000000000000000')::uuid
$$;

-- Makes the partitions of today and the days ahead, and drops those that are past keeping.
--
-- A day of the outbox goes only when all of its rows are below every watermark. The default
-- partitions catch what has no day, so a missed run stops nothing.
CREATE FUNCTION maintain_partitions(days_ahead integer, outbox_days integer, inbox_days integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    today     date := (now() AT TIME ZONE 'UTC')::date;
    day       date;
    lower     timestamptz;
    upper     timestamptz;
    child     text;
    published boolean;
BEGIN
    -- Two instances of a service may come at the same time.
    PERFORM pg_advisory_xact_lock(hashtext('maintain_partitions'));

    FOR day IN SELECT today + n FROM generate_series(0, days_ahead) AS n LOOP
        lower := day::timestamp AT TIME ZONE 'UTC';
        upper := (day + 1)::timestamp AT TIME ZONE 'UTC';
        BEGIN
            child := 'outbox_' || to_char(day, 'YYYYMMDD');
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF outbox FOR VALUES FROM (%L) TO (%L)',
                               child, lower, upper);
            END IF;
            child := 'processed_events_' || to_char(day, 'YYYYMMDD');
            IF to_regclass(child) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF processed_events FOR VALUES FROM (%L) TO (%L)',
                    child, uuid_v7_floor(lower), uuid_v7_floor(upper));
            END IF;
        EXCEPTION WHEN check_violation THEN
            -- Rows of that day lie in the default partition already; they stay there.
            NULL;
        END;
    END LOOP;

    FOR child IN
        SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'outbox'::regclass
    LOOP
        CONTINUE WHEN child !~ '^outbox_[0-9]{8}$';
        CONTINUE WHEN to_date(right(child, 8), 'YYYYMMDD') >= today - outbox_days;
        EXECUTE format(
            'SELECT NOT EXISTS (SELECT FROM %I WHERE tx_id >=
                                (SELECT min(tx_id) FROM outbox_watermark))', child)
            INTO published;
        IF published THEN
            EXECUTE format('DROP TABLE %I', child);
        END IF;
    END LOOP;

    FOR child IN
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = 'processed_events'::regclass
    LOOP
        CONTINUE WHEN child !~ '^processed_events_[0-9]{8}$';
        CONTINUE WHEN to_date(right(child, 8), 'YYYYMMDD') >= today - inbox_days;
        EXECUTE format('DROP TABLE %I', child);
    END LOOP;
END
$$;
