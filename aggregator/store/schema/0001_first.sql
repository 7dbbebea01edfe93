-- Tables live in the schema `store`; people and their tools read the views of the schema `main`.
-- Times are nanoseconds since 1970 UTC. No table has an index: on tables that grow they make
-- checkpoints slow, and the single writer keeps keys unique by itself.
CREATE SCHEMA store;

CREATE SEQUENCE store.device_ids;
CREATE SEQUENCE store.alert_ids;
CREATE SEQUENCE store.isolation_ids;
CREATE SEQUENCE store.user_ids;
CREATE SEQUENCE store.packet_ids;

CREATE TABLE store.devices (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  type VARCHAR NOT NULL,
  ip_address VARCHAR,
  mac_address VARCHAR,
  location VARCHAR,
  api_key_hash VARCHAR,
  online BOOLEAN NOT NULL,
  condition VARCHAR NOT NULL,          -- online, warning or error, as of the last health
  cpu_usage_percent DOUBLE,
  memory_usage_percent DOUBLE,
  temperature_celsius DOUBLE,
  uptime_s BIGINT,
  boot VARCHAR,
  version VARCHAR,
  model_id VARCHAR,
  mode VARCHAR,
  models VARCHAR[],
  lost_messages BIGINT NOT NULL,
  last_seen_ns BIGINT,
  created_ns BIGINT NOT NULL
);

-- How far the messages of one boot of one device are stored.
CREATE TABLE store.watermarks (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  boot VARCHAR NOT NULL,
  last_seq BIGINT NOT NULL,
  lost BIGINT NOT NULL,
  updated_ns BIGINT NOT NULL
);

CREATE TABLE store.alerts (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  alert_id VARCHAR NOT NULL,
  state VARCHAR NOT NULL,              -- open or closed, by the device's word
  attack_type VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  status VARCHAR NOT NULL,             -- active, acknowledged, resolved or false_positive
  host VARCHAR NOT NULL,
  src_mac VARCHAR,
  src_ip VARCHAR,
  dst_ip VARCHAR,
  bridge_port VARCHAR,
  first_seen_ns BIGINT NOT NULL,
  opened_ns BIGINT NOT NULL,
  last_seen_ns BIGINT NOT NULL,
  confidence DOUBLE NOT NULL,
  windows BIGINT NOT NULL,
  packets BIGINT NOT NULL,
  top_features VARCHAR NOT NULL,       -- JSON
  model_id VARCHAR NOT NULL,
  evidence_sha256 VARCHAR,
  received_ns BIGINT NOT NULL,
  acknowledged_ns BIGINT,
  acknowledged_by BIGINT,
  resolved_ns BIGINT,
  notes VARCHAR
);

CREATE TABLE store.isolations (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  isolation_id VARCHAR NOT NULL,
  alert_id VARCHAR,
  host VARCHAR NOT NULL,
  isolated_mac VARCHAR,
  isolated_ip VARCHAR,
  isolated_port VARCHAR,
  reason VARCHAR NOT NULL,
  enforcement VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  isolated_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL,
  lifted_ns BIGINT,
  verified BOOLEAN NOT NULL,           -- was read back from the kernel at least once
  detail VARCHAR NOT NULL,
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.verdicts (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  window_start_ns BIGINT NOT NULL,
  window_ns BIGINT NOT NULL,
  host VARCHAR NOT NULL,
  src_mac VARCHAR,
  src_ip VARCHAR,
  dst_ip VARCHAR,
  label VARCHAR NOT NULL,
  confidence FLOAT NOT NULL,           -- the score of the label
  scores FLOAT[] NOT NULL,             -- in the order of `classes`
  classes VARCHAR[] NOT NULL,
  packets BIGINT NOT NULL,
  wire_bytes BIGINT NOT NULL,
  model_id VARCHAR NOT NULL,
  feature_schema_id VARCHAR NOT NULL,
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.health (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  boot VARCHAR NOT NULL,
  sent_ns BIGINT NOT NULL,
  received_ns BIGINT NOT NULL,
  uptime_s BIGINT NOT NULL,
  cpu_usage_percent DOUBLE NOT NULL,
  memory_usage_percent DOUBLE NOT NULL,
  temperature_celsius DOUBLE,
  throttled BOOLEAN NOT NULL,
  process_rss_bytes BIGINT NOT NULL,
  frames BIGINT NOT NULL,
  windows BIGINT NOT NULL,
  hosts BIGINT NOT NULL,
  alerts BIGINT NOT NULL,
  dropped VARCHAR NOT NULL,            -- JSON: reason -> count since boot
  queued VARCHAR NOT NULL,             -- JSON: queue -> depth
  clock_synchronized BOOLEAN NOT NULL,
  model_id VARCHAR NOT NULL,
  mode VARCHAR NOT NULL,
  version VARCHAR NOT NULL
);

CREATE TABLE store.packets (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  captured_ns BIGINT NOT NULL,
  src_mac VARCHAR NOT NULL,
  dst_mac VARCHAR NOT NULL,
  src_ip VARCHAR,
  dst_ip VARCHAR,
  src_port INTEGER NOT NULL,
  dst_port INTEGER NOT NULL,
  protocol VARCHAR NOT NULL,
  packet_bytes BIGINT NOT NULL,
  ttl INTEGER NOT NULL,
  flags VARCHAR NOT NULL,
  label VARCHAR NOT NULL,
  confidence DOUBLE NOT NULL,
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.logs (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  logged_ns BIGINT NOT NULL,
  level VARCHAR NOT NULL,
  component VARCHAR NOT NULL,
  event VARCHAR NOT NULL,
  fields VARCHAR NOT NULL,             -- JSON
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.readings (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  sensor_type VARCHAR NOT NULL,
  value DOUBLE NOT NULL,
  unit VARCHAR NOT NULL,
  read_ns BIGINT NOT NULL,
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.command_acks (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  command_id VARCHAR NOT NULL,
  state VARCHAR NOT NULL,
  at_ns BIGINT NOT NULL,
  detail VARCHAR NOT NULL,
  received_ns BIGINT NOT NULL
);

-- What arrived and could not be taken: the newest 10,000, the first 1,024 bytes of each.
CREATE TABLE store.rejects (
  organization VARCHAR,
  device_id VARCHAR,
  topic VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  payload BLOB NOT NULL,
  payload_bytes BIGINT NOT NULL,
  received_ns BIGINT NOT NULL
);

CREATE TABLE store.users (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  username VARCHAR NOT NULL,
  email VARCHAR,
  full_name VARCHAR,
  password_hash VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  is_active BOOLEAN NOT NULL,
  created_ns BIGINT NOT NULL,
  last_login_ns BIGINT
);

-- One sign-in; ends when it expires or is revoked.
CREATE TABLE store.sessions (
  session_id VARCHAR NOT NULL,
  user_id BIGINT NOT NULL,
  created_ns BIGINT NOT NULL,
  expires_ns BIGINT NOT NULL,
  revoked_ns BIGINT
);

-- Each is good once: using one brings the next of the same session.
CREATE TABLE store.refresh_tokens (
  token_hash VARCHAR NOT NULL,
  session_id VARCHAR NOT NULL,
  issued_ns BIGINT NOT NULL,
  used_ns BIGINT
);

CREATE TABLE store.audit (
  organization VARCHAR NOT NULL,
  at_ns BIGINT NOT NULL,
  user_id BIGINT,
  username VARCHAR NOT NULL,
  action VARCHAR NOT NULL,
  target VARCHAR NOT NULL,
  detail VARCHAR NOT NULL
);

CREATE VIEW main.alerts AS
SELECT
  a.organization, a.alert_id, a.attack_type, a.severity, a.status, a.state, a.src_ip, a.dst_ip,
  a.src_mac, a.host, a.bridge_port, a.device_id, a.device_id AS affected_device_id, a.confidence,
  a.windows, a.packets, a.top_features, a.model_id, a.evidence_sha256,
  EXISTS (
    SELECT 1 FROM store.isolations AS i
    WHERE i.organization = a.organization AND i.device_id = a.device_id
      AND i.alert_id = a.alert_id AND i.verified
  ) AS mitigation_applied,
  make_timestamp(a.opened_ns // 1000) AS detected_at,
  make_timestamp(a.acknowledged_ns // 1000) AS acknowledged_at,
  make_timestamp(a.resolved_ns // 1000) AS resolved_at,
  a.first_seen_ns, a.opened_ns, a.last_seen_ns, a.received_ns, a.notes
FROM store.alerts AS a;

CREATE VIEW main.verdicts AS
SELECT
  organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores, classes,
  packets, wire_bytes, model_id, make_timestamp(window_start_ns // 1000) AS window_start,
  window_start_ns, window_start_ns + window_ns AS window_end_ns, received_ns
FROM store.verdicts;

CREATE VIEW main.hosts AS
SELECT
  organization, device_id, host, arg_max(src_ip, window_start_ns) AS last_ip,
  min(make_timestamp(window_start_ns // 1000)) AS first_seen,
  max(make_timestamp(window_start_ns // 1000)) AS last_seen,
  sum(packets)::BIGINT AS packets, count(*) AS windows,
  count(*) FILTER (label <> 'benign') AS malicious_windows
FROM store.verdicts
GROUP BY organization, device_id, host;

CREATE VIEW main.isolations AS
SELECT
  organization, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port,
  reason, enforcement, state, verified, make_timestamp(isolated_ns // 1000) AS isolated_at,
  make_timestamp(expires_ns // 1000) AS expires_at, make_timestamp(lifted_ns // 1000) AS lifted_at,
  detail
FROM store.isolations;

CREATE VIEW main.devices AS
SELECT
  organization, device_id, name, type, ip_address, mac_address, location, online, condition,
  cpu_usage_percent, memory_usage_percent, temperature_celsius, uptime_s, version, model_id, mode,
  lost_messages, make_timestamp(last_seen_ns // 1000) AS last_seen,
  make_timestamp(created_ns // 1000) AS created_at
FROM store.devices;

CREATE VIEW main.health AS
SELECT
  organization, device_id, make_timestamp(sent_ns // 1000) AS sent_at, uptime_s,
  cpu_usage_percent, memory_usage_percent, temperature_celsius, throttled, process_rss_bytes,
  frames, windows, hosts, alerts, dropped, queued, clock_synchronized, model_id, mode, version
FROM store.health;

CREATE VIEW main.packets AS
SELECT
  organization, device_id, make_timestamp(captured_ns // 1000) AS captured_at, src_mac, dst_mac,
  src_ip, dst_ip, src_port, dst_port, protocol, packet_bytes, ttl, flags, label, confidence
FROM store.packets;

CREATE VIEW main.logs AS
SELECT
  organization, device_id, make_timestamp(logged_ns // 1000) AS logged_at, level, component,
  event, fields
FROM store.logs;
