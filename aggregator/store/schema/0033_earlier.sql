-- From which day on (UTC) the rows of a view are in the database itself: earlier ones are in the archive alone.
CREATE TABLE store.archive_left (
  view VARCHAR NOT NULL,
  organization VARCHAR NOT NULL,       -- empty: of all of them
  day VARCHAR NOT NULL,
  PRIMARY KEY (view, organization)
);

-- The newest value of each sensor, of those that are in the archive alone.
CREATE TABLE store.last_readings (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  sensor_type VARCHAR NOT NULL,
  value DOUBLE NOT NULL,
  unit VARCHAR NOT NULL,
  read_ns BIGINT NOT NULL,
  received_ns BIGINT NOT NULL,
  PRIMARY KEY (organization, device_id, sensor_type)
);
