-- Fraud's own tables: what was charged, how holders behaved, what was decided.

-- What was charged. Insert-only: the past that windows and models can be computed from again.
CREATE TABLE transactions (
    id           uuid        NOT NULL,
    order_id     uuid        NOT NULL,
    customer_id  text        NOT NULL,
    -- Token of the card, never its number.
    card         text        NOT NULL,
    amount_minor bigint      NOT NULL,
    currency     text        NOT NULL,
    -- Destination, ISO 3166 alpha-2.
    country      text        NOT NULL,
    channel      text        NOT NULL,
    item_count   integer     NOT NULL,
    -- When the order was placed, by the event's envelope; windows count in this time only.
    occurred_at  timestamptz NOT NULL,
    CONSTRAINT transactions_pkey PRIMARY KEY (id),
    CONSTRAINT transactions_amount_not_negative CHECK (amount_minor >= 0)
);

-- Rolling windows of a customer or a card. Written in the transaction that inserts the charge, so a
-- charge is counted once, whatever comes again and whenever the process died.
CREATE TABLE windows (
    kind    text  NOT NULL,
    holder  text  NOT NULL,
    -- Three series (five minutes, hours, days) of [bucket number, charges, sum of amounts]; empty
    -- buckets are absent, and each series is bounded.
    history jsonb NOT NULL,
    CONSTRAINT windows_pkey PRIMARY KEY (kind, holder),
    CONSTRAINT windows_kind_known CHECK (kind IN ('customer', 'card'))
) WITH (fillfactor = 70);

-- One per transaction, and a transaction per order.
CREATE TABLE decisions (
    transaction_id uuid             NOT NULL,
    order_id       uuid             NOT NULL,
    verdict        text             NOT NULL,
    score          double precision NOT NULL,
    model_version  text             NOT NULL,
    -- Strongest first.
    reasons        text[]           NOT NULL,
    -- `model`, `bureau`, or the reviewer's subject.
    decided_by     text             NOT NULL,
    -- Events published about this order so far.
    version        integer          NOT NULL,
    decided_at     timestamptz      NOT NULL,
    -- When the bureau's answer is taken; set while it is awaited.
    due_at         timestamptz,
    -- The event and trace that a later verdict continues; kept while one can come.
    cause_id       uuid,
    traceparent    text,
    CONSTRAINT decisions_pkey PRIMARY KEY (transaction_id),
    CONSTRAINT decisions_order_unique UNIQUE (order_id),
    CONSTRAINT decisions_verdict_known
        CHECK (verdict IN ('pending', 'approved', 'blocked', 'held', 'closed')),
    CONSTRAINT decisions_due_while_pending CHECK ((verdict = 'pending') = (due_at IS NOT NULL)),
    CONSTRAINT decisions_cause_while_open
        CHECK ((verdict IN ('pending', 'held')) = (cause_id IS NOT NULL)),
    CONSTRAINT decisions_score_range CHECK (score BETWEEN 0 AND 1)
);

-- The review queue, oldest first.
CREATE INDEX decisions_held ON decisions (transaction_id) WHERE verdict = 'held';
-- What the bureau sweep asks for.
CREATE INDEX decisions_due ON decisions (due_at) WHERE verdict = 'pending';

-- What a reviewer found: the truth a model can be trained on.
CREATE TABLE labels (
    transaction_id uuid        NOT NULL,
    label          text        NOT NULL,
    reviewer       text        NOT NULL,
    note           text        NOT NULL,
    at             timestamptz NOT NULL,
    CONSTRAINT labels_pkey PRIMARY KEY (transaction_id),
    CONSTRAINT labels_label_known CHECK (label IN ('approve', 'block'))
);

-- Orders whose cancellation arrived before their transaction, as it can when a dead letter is
-- replayed: the late transaction is recorded and not judged.
CREATE TABLE tombstones (
    order_id uuid        NOT NULL,
    at       timestamptz NOT NULL,
    CONSTRAINT tombstones_pkey PRIMARY KEY (order_id)
);

-- Holders whose charges are refused without asking the model.
CREATE TABLE blocked (
    kind   text NOT NULL,
    holder text NOT NULL,
    -- Ends the sentence "the card is on the block list: …".
    reason text NOT NULL,
    CONSTRAINT blocked_pkey PRIMARY KEY (kind, holder),
    CONSTRAINT blocked_kind_known CHECK (kind IN ('customer', 'card'))
);

-- No real token or reference looks like these, so the block list can be tried out anywhere.
INSERT INTO blocked (kind, holder, reason) VALUES
    ('card', 'tok_stolen', 'reported stolen'),
    ('customer', 'mallory', 'charged back earlier orders');

-- A decision with the charge it is about and what a reviewer said.
CREATE VIEW cases AS
SELECT d.transaction_id, d.order_id, d.verdict, d.score, d.model_version, d.reasons, d.decided_by,
       d.version, d.decided_at, d.due_at, d.cause_id, d.traceparent,
       t.customer_id, t.card, t.amount_minor, t.currency, t.country, t.channel, t.item_count,
       t.occurred_at,
       l.label, l.reviewer, l.note, l.at AS labelled_at
  FROM decisions d
  JOIN transactions t ON t.id = d.transaction_id
  LEFT JOIN labels l ON l.transaction_id = d.transaction_id;

-- What the service passes for a set of rows. Types of their own, so that a column can be added to a
-- table under a running service.
CREATE TYPE transaction_row AS (
    id           uuid,
    order_id     uuid,
    customer_id  text,
    card         text,
    amount_minor bigint,
    currency     text,
    country      text,
    channel      text,
    item_count   integer,
    occurred_at  timestamptz
);
CREATE TYPE decision_row AS (
    transaction_id uuid,
    order_id       uuid,
    verdict        text,
    score          double precision,
    model_version  text,
    reasons        text[],
    decided_by     text,
    version        integer,
    decided_at     timestamptz,
    due_at         timestamptz,
    cause_id       uuid,
    traceparent    text
);
