-- One small picture per image, made once.
CREATE TABLE thumbnails (
    image_id uuid  CONSTRAINT thumbnails_pkey PRIMARY KEY,
    -- 100 x 100 pixels.
    png      bytea NOT NULL
);
