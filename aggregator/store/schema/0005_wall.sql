-- What people posted on the alert wall and said in its chat, the newest of each kind.
CREATE SEQUENCE store.wall_post_numbers;

CREATE TABLE store.wall_posts (
  number BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  id VARCHAR NOT NULL,
  type VARCHAR NOT NULL,               -- alert or chat
  sender VARCHAR,                      -- of a chat message, as its sender calls himself
  message VARCHAR NOT NULL,
  location VARCHAR,                    -- of an alert
  user_id BIGINT,                      -- who posted it; NULL: a guest or a demonstration
  posted_ns BIGINT NOT NULL
);
