-- Names of devices that a person removed or refused. An agent that still talks under one appears as pending, until
-- somebody accepts or enrols it.
CREATE TABLE store.removed_devices (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  removed_ns BIGINT NOT NULL
);
