-- What is to be told to somebody outside. For services that deliver; numbered apart from their own
-- files, beside which it is applied.

-- The order in which a lane asks.
CREATE SEQUENCE deliveries_place;

-- Written in the transaction of the event behind it. Rows stay: that a key was told is what makes
-- its event harmless, however late it comes again.
CREATE TABLE deliveries (
    -- One provider, or one way to it.
    lane           text        NOT NULL,
    -- What it is about. A newer request takes the place of an older one.
    key            text        NOT NULL,
    -- Rises with each request; a part of the key by which the provider knows a repeat.
    revision       integer     NOT NULL DEFAULT 1,
    state          text        NOT NULL DEFAULT 'pending' CONSTRAINT deliveries_state_known
                               CHECK (state IN ('pending', 'delivered', 'refused')),
    payload        jsonb       NOT NULL,
    place          bigint      NOT NULL DEFAULT nextval('deliveries_place'),
    -- Of this revision.
    attempts       integer     NOT NULL DEFAULT 0,
    -- Why it was refused, or what went wrong last.
    detail         text,
    requested_at   timestamptz NOT NULL DEFAULT now(),
    settled_at     timestamptz,
    causation_id   uuid        NOT NULL,
    correlation_id text        NOT NULL,
    -- The provider is asked in the trace of the event behind it.
    traceparent    text,
    CONSTRAINT deliveries_pkey PRIMARY KEY (lane, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- A lane asks for its oldest; what is settled is not in the way.
CREATE INDEX deliveries_waiting ON deliveries (lane, place) WHERE state = 'pending';
