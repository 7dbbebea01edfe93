-- What devices told, as it is stored: to add to a row of `usage` in each transaction costs twice as much. Once a
-- minute it is folded in.
CREATE TABLE store.fresh_usage (
  organization VARCHAR NOT NULL,
  month DATE NOT NULL,
  messages BIGINT NOT NULL,
  payload_bytes BIGINT NOT NULL
);
