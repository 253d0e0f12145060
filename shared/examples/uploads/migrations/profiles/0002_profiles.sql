-- What each user has shown of themselves. The score is made of it when it is asked for, so that it
-- can be weighed anew.
CREATE TABLE profiles (
    user_id   text    CONSTRAINT profiles_pkey PRIMARY KEY,
    avatar    boolean NOT NULL,
    cover     boolean NOT NULL,
    -- Pictures in the gallery.
    gallery   bigint  NOT NULL CONSTRAINT profiles_gallery_not_negative CHECK (gallery >= 0),
    -- Whether any picture has a title and a tag.
    described boolean NOT NULL
) WITH (fillfactor = 80);
