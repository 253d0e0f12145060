-- Notification's own tables: what to tell whom, and how far that is.

-- One row per mail. Written together with the event that asks for it; sent by a worker afterwards.
CREATE TABLE notifications (
    id              uuid        NOT NULL,
    -- Order id or SKU; the key of what is published about this row.
    subject_id      text        NOT NULL,
    -- What it tells, and of which parcel or alarm: `order_confirmed`, `order_dispatched:{parcel}`.
    kind            text        NOT NULL,
    -- Null for mails to operations.
    customer_id     text,
    -- Address as it was when the row was written, or last sent again.
    recipient       text        NOT NULL,
    recipient_name  text,
    -- What the template needs.
    content         jsonb       NOT NULL,
    -- Goes ahead of everything that waits.
    urgent          boolean     NOT NULL,
    state           text        NOT NULL,
    -- Tries so far, the running one included. Also the lease's token: a result counts only if no
    -- other try was begun since.
    attempts        integer     NOT NULL DEFAULT 0,
    -- When it is due; while a worker holds it, when others may take it over.
    next_attempt_at timestamptz,
    -- How often somebody asked to send it again.
    resends         integer     NOT NULL DEFAULT 0,
    -- The same for every try, so that a mailbox can tell a repetition.
    message_id      text        NOT NULL,
    -- The event or request behind it, its conversation and trace.
    causation_id    uuid        NOT NULL,
    correlation_id  text        NOT NULL,
    traceparent     text,
    created_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    -- What the mail server or the network said last.
    last_error      text,
    CONSTRAINT notifications_pkey PRIMARY KEY (id),
    -- One mail per cause, however often the event comes.
    CONSTRAINT notifications_subject_kind_unique UNIQUE (subject_id, kind),
    CONSTRAINT notifications_state_known CHECK (state IN ('pending', 'sent', 'failed')),
    CONSTRAINT notifications_due_while_pending
        CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL))
) WITH (fillfactor = 80);

-- What the sender asks for.
CREATE INDEX notifications_due ON notifications (urgent DESC, next_attempt_at)
    WHERE state = 'pending';
-- A customer's own, newest first.
CREATE INDEX notifications_customer ON notifications (customer_id, id)
    WHERE customer_id IS NOT NULL;

-- Where customers want their mail. Who is not here gets it at a fallback address.
CREATE TABLE contacts (
    customer_id text        NOT NULL,
    name        text        NOT NULL,
    email       text        NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT contacts_pkey PRIMARY KEY (customer_id)
);

-- The last aggregate version published per order or SKU: its row lock is what makes versions rise
-- without a gap.
CREATE TABLE notification_subjects (
    subject_id text    NOT NULL,
    version    integer NOT NULL,
    CONSTRAINT notification_subjects_pkey PRIMARY KEY (subject_id)
) WITH (fillfactor = 70);

-- What the service passes for a set of new rows. A type of its own, so that a column can be added
-- to the table under a running service.
CREATE TYPE notification_row AS (
    id              uuid,
    subject_id      text,
    kind            text,
    customer_id     text,
    recipient       text,
    recipient_name  text,
    content         jsonb,
    urgent          boolean,
    state           text,
    next_attempt_at timestamptz,
    message_id      text,
    causation_id    uuid,
    correlation_id  text,
    traceparent     text,
    created_at      timestamptz
);
