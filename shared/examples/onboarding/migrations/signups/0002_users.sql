-- Who has signed up. A mail address signs up once.
CREATE TABLE users (
    user_id      uuid        CONSTRAINT users_pkey PRIMARY KEY,
    email        text        NOT NULL CONSTRAINT users_email_unique UNIQUE,
    name         text        NOT NULL,
    signed_up_at timestamptz NOT NULL
);
