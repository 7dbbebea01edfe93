-- Model bundles of organizations; the files lie beside the database.
CREATE TABLE store.models (
  organization VARCHAR NOT NULL,
  model_id VARCHAR NOT NULL,
  sha256 VARCHAR NOT NULL,             -- of its manifest, which vouches for its files
  file_bytes BIGINT NOT NULL,
  metadata VARCHAR NOT NULL,           -- JSON: what the model says of itself
  card VARCHAR NOT NULL,
  signer VARCHAR NOT NULL,             -- the name of the key that signed it
  created_by VARCHAR NOT NULL,
  created_ns BIGINT NOT NULL,
  retired_ns BIGINT                    -- NULL: devices may be given it
);

-- What devices are to be; what they are is in store.devices, by their own word.
CREATE TABLE store.desired (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  model_id VARCHAR,                    -- NULL: whichever
  sha256 VARCHAR,                      -- NULL: it is to take what it holds
  mode VARCHAR,                        -- NULL: what its settings say
  user_id BIGINT,
  username VARCHAR NOT NULL,
  set_ns BIGINT NOT NULL,
  differs_ns BIGINT                    -- since when the device is something else
);
