-- What analysts may see: the views of the schema `main`, with comments; what is not in them stays here.
-- Rows that only ever grow are numbered, so that each goes into the archive exactly once.
CREATE SEQUENCE store.positions;

ALTER TABLE store.verdicts ADD COLUMN position BIGINT DEFAULT nextval('store.positions');
ALTER TABLE store.packets ADD COLUMN position BIGINT DEFAULT nextval('store.positions');
ALTER TABLE store.health ADD COLUMN position BIGINT DEFAULT nextval('store.positions');
ALTER TABLE store.logs ADD COLUMN position BIGINT DEFAULT nextval('store.positions');
ALTER TABLE store.readings ADD COLUMN position BIGINT DEFAULT nextval('store.positions');

-- The Parquet files of the archive. A file that is not listed here is none of it.
CREATE TABLE store.archive_parts (
  view VARCHAR NOT NULL,
  organization VARCHAR NOT NULL,
  day VARCHAR NOT NULL,                -- on which its rows reached us, UTC
  after BIGINT NOT NULL,               -- holds rows with positions beyond this one
  upto BIGINT NOT NULL,                -- up to this one
  rows BIGINT NOT NULL,
  file_bytes BIGINT NOT NULL,
  written_ns BIGINT NOT NULL
);

-- Up to which position the rows of an organization are in the archive, whether or not they still are.
CREATE TABLE store.archive_marks (
  view VARCHAR NOT NULL,
  organization VARCHAR NOT NULL,
  position BIGINT NOT NULL
);

CREATE VIEW store.numbered_verdicts AS
SELECT
  position, organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  classes, packets, wire_bytes, sampled_one_in, model_id,
  make_timestamp(window_start_ns // 1000) AS window_start,
  make_timestamp((window_start_ns + window_ns) // 1000) AS window_end,
  make_timestamp(received_ns // 1000) AS received_at
FROM store.verdicts;

CREATE VIEW store.numbered_packets AS
SELECT
  position, organization, device_id, make_timestamp(captured_ns // 1000) AS captured_at, src_mac,
  dst_mac, src_ip, dst_ip, src_port, dst_port, protocol, packet_bytes, ttl, flags, label,
  confidence, make_timestamp(received_ns // 1000) AS received_at
FROM store.packets;

CREATE VIEW store.numbered_health AS
SELECT
  position, organization, device_id, boot, make_timestamp(sent_ns // 1000) AS sent_at, uptime_s,
  cpu_usage_percent, memory_usage_percent, temperature_celsius, throttled, process_rss_bytes,
  frames, windows, hosts, alerts, dropped, queued, clock_synchronized, model_id, mode, version,
  make_timestamp(received_ns // 1000) AS received_at
FROM store.health;

CREATE VIEW store.numbered_logs AS
SELECT
  position, organization, device_id, make_timestamp(logged_ns // 1000) AS logged_at, level,
  component, event, fields, make_timestamp(received_ns // 1000) AS received_at
FROM store.logs;

CREATE VIEW store.numbered_readings AS
SELECT
  position, organization, device_id, sensor_type, value, unit,
  make_timestamp(read_ns // 1000) AS read_at, make_timestamp(received_ns // 1000) AS received_at
FROM store.readings;

CREATE OR REPLACE VIEW main.verdicts AS SELECT * EXCLUDE (position) FROM store.numbered_verdicts;
CREATE OR REPLACE VIEW main.packets AS SELECT * EXCLUDE (position) FROM store.numbered_packets;
CREATE OR REPLACE VIEW main.health AS SELECT * EXCLUDE (position) FROM store.numbered_health;
CREATE OR REPLACE VIEW main.logs AS SELECT * EXCLUDE (position) FROM store.numbered_logs;
CREATE OR REPLACE VIEW main.readings AS SELECT * EXCLUDE (position) FROM store.numbered_readings;

CREATE OR REPLACE VIEW main.alerts AS
SELECT
  a.organization, a.alert_id, a.device_id, a.attack_type, a.severity, a.status, a.state, a.host,
  a.src_mac, a.src_ip, a.dst_ip, a.bridge_port, a.confidence, a.windows, a.packets,
  a.top_features, a.counterfactual, a.model_id, a.evidence_sha256,
  EXISTS (
    SELECT 1 FROM store.isolations AS i
    WHERE i.organization = a.organization AND i.device_id = a.device_id
      AND i.alert_id = a.alert_id AND i.verified
  ) AS mitigation_applied,
  make_timestamp(a.first_seen_ns // 1000) AS first_seen_at,
  make_timestamp(a.opened_ns // 1000) AS detected_at,
  make_timestamp(a.last_seen_ns // 1000) AS last_seen_at,
  make_timestamp(a.acknowledged_ns // 1000) AS acknowledged_at,
  make_timestamp(a.resolved_ns // 1000) AS resolved_at,
  a.notes, make_timestamp(a.received_ns // 1000) AS received_at
FROM store.alerts AS a;

CREATE OR REPLACE VIEW main.hosts AS
SELECT
  organization, device_id, host, arg_max(src_ip, window_start) AS last_ip,
  min(window_start) AS first_seen, max(window_start) AS last_seen,
  sum(packets)::BIGINT AS packets, count(*) AS windows,
  count(*) FILTER (label <> 'benign') AS malicious_windows
FROM main.verdicts
GROUP BY organization, device_id, host;

COMMENT ON VIEW main.alerts IS 'What a person should look at, one row for each alert as it stands now.';
COMMENT ON COLUMN main.alerts.organization IS 'whose alert it is; always your own';
COMMENT ON COLUMN main.alerts.alert_id IS '32 hexadecimal digits, unique together with device_id';
COMMENT ON COLUMN main.alerts.device_id IS 'the device that raised it';
COMMENT ON COLUMN main.alerts.attack_type IS 'DOS, Botnet, Replay, MITM, Scan, BruteForce or Anomaly';
COMMENT ON COLUMN main.alerts.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN main.alerts.status IS 'what people decided: active, acknowledged, resolved or false_positive';
COMMENT ON COLUMN main.alerts.state IS 'what the device says: open or closed';
COMMENT ON COLUMN main.alerts.host IS 'the attacker: a MAC, or an IP behind a router';
COMMENT ON COLUMN main.alerts.src_mac IS 'of the attacker';
COMMENT ON COLUMN main.alerts.src_ip IS 'of the attacker';
COMMENT ON COLUMN main.alerts.dst_ip IS 'the target that was hit most';
COMMENT ON COLUMN main.alerts.bridge_port IS 'the port of the device through which the attacker came';
COMMENT ON COLUMN main.alerts.confidence IS 'probability of attack_type, 0 to 1';
COMMENT ON COLUMN main.alerts.windows IS 'malicious windows that belong to it';
COMMENT ON COLUMN main.alerts.packets IS 'packets in these windows';
COMMENT ON COLUMN main.alerts.top_features IS 'JSON: the features that decided, with value, usual value and words';
COMMENT ON COLUMN main.alerts.counterfactual IS 'JSON: the changes that would have made it benign';
COMMENT ON COLUMN main.alerts.model_id IS 'the model that judged';
COMMENT ON COLUMN main.alerts.evidence_sha256 IS 'of the capture that the device keeps';
COMMENT ON COLUMN main.alerts.mitigation_applied IS 'whether an isolation for it was read back from a kernel';
COMMENT ON COLUMN main.alerts.first_seen_at IS 'start of its first window, by the clock of the device';
COMMENT ON COLUMN main.alerts.detected_at IS 'when the device opened it';
COMMENT ON COLUMN main.alerts.last_seen_at IS 'end of its last window';
COMMENT ON COLUMN main.alerts.acknowledged_at IS 'when somebody acknowledged it';
COMMENT ON COLUMN main.alerts.resolved_at IS 'when somebody resolved it';
COMMENT ON COLUMN main.alerts.notes IS 'what people wrote';
COMMENT ON COLUMN main.alerts.received_at IS 'when it reached the centre';

COMMENT ON VIEW main.verdicts IS 'What agents concluded about each host in each window.';
COMMENT ON COLUMN main.verdicts.organization IS 'whose verdict it is; always your own';
COMMENT ON COLUMN main.verdicts.device_id IS 'the device that judged';
COMMENT ON COLUMN main.verdicts.host IS 'whom: a MAC, or an IP behind a router';
COMMENT ON COLUMN main.verdicts.src_mac IS 'of the host';
COMMENT ON COLUMN main.verdicts.src_ip IS 'of the host';
COMMENT ON COLUMN main.verdicts.dst_ip IS 'the peer it sent most to';
COMMENT ON COLUMN main.verdicts.label IS 'benign, an attack class, or Anomaly';
COMMENT ON COLUMN main.verdicts.confidence IS 'score of the label, 0 to 1';
COMMENT ON COLUMN main.verdicts.scores IS 'one probability for each of classes, in their order';
COMMENT ON COLUMN main.verdicts.classes IS 'the classes of the model';
COMMENT ON COLUMN main.verdicts.packets IS 'packets of the host in the window';
COMMENT ON COLUMN main.verdicts.wire_bytes IS 'bytes on the wire in the window';
COMMENT ON COLUMN main.verdicts.sampled_one_in IS 'of how many flows an overloaded device took one; 1: all';
COMMENT ON COLUMN main.verdicts.model_id IS 'the model that judged';
COMMENT ON COLUMN main.verdicts.window_start IS 'start of the window, by the clock of the device';
COMMENT ON COLUMN main.verdicts.window_end IS 'end of the window';
COMMENT ON COLUMN main.verdicts.received_at IS 'when it reached the centre; the day of the archive';

COMMENT ON VIEW main.hosts IS 'Hosts that were ever judged, as far back as verdicts are kept.';
COMMENT ON COLUMN main.hosts.organization IS 'whose host it is; always your own';
COMMENT ON COLUMN main.hosts.device_id IS 'the device that sees it';
COMMENT ON COLUMN main.hosts.host IS 'a MAC, or an IP behind a router';
COMMENT ON COLUMN main.hosts.last_ip IS 'its IP in its newest window';
COMMENT ON COLUMN main.hosts.first_seen IS 'start of its first window';
COMMENT ON COLUMN main.hosts.last_seen IS 'start of its newest window';
COMMENT ON COLUMN main.hosts.packets IS 'packets in all its windows';
COMMENT ON COLUMN main.hosts.windows IS 'how many windows';
COMMENT ON COLUMN main.hosts.malicious_windows IS 'how many of them were not benign';

COMMENT ON VIEW main.isolations IS 'Hosts and bridge ports that were cut off, and what became of it.';
COMMENT ON COLUMN main.isolations.organization IS 'whose isolation it is; always your own';
COMMENT ON COLUMN main.isolations.device_id IS 'the device that enforces it';
COMMENT ON COLUMN main.isolations.isolation_id IS '32 hexadecimal digits';
COMMENT ON COLUMN main.isolations.alert_id IS 'the alert that led to it, if any';
COMMENT ON COLUMN main.isolations.host IS 'whom';
COMMENT ON COLUMN main.isolations.isolated_mac IS 'the MAC that is cut off';
COMMENT ON COLUMN main.isolations.isolated_ip IS 'the IP that is cut off';
COMMENT ON COLUMN main.isolations.isolated_port IS 'the bridge port that is cut off';
COMMENT ON COLUMN main.isolations.reason IS 'why, in words';
COMMENT ON COLUMN main.isolations.enforcement IS 'dry_run, nft or another way';
COMMENT ON COLUMN main.isolations.state IS 'simulated, suggested, applied, verified, lifted, expired or failed';
COMMENT ON COLUMN main.isolations.verified IS 'whether it was read back from the kernel at least once';
COMMENT ON COLUMN main.isolations.isolated_at IS 'since when';
COMMENT ON COLUMN main.isolations.expires_at IS 'until when, unless it is renewed';
COMMENT ON COLUMN main.isolations.lifted_at IS 'when it ended early';
COMMENT ON COLUMN main.isolations.detail IS 'what the kernel said';

COMMENT ON VIEW main.devices IS 'Devices as they are now.';
COMMENT ON COLUMN main.devices.organization IS 'whose device it is; always your own';
COMMENT ON COLUMN main.devices.device_id IS 'its name on the wire';
COMMENT ON COLUMN main.devices.name IS 'its name for people';
COMMENT ON COLUMN main.devices.type IS 'feature_extraction, edge_ml, esp32 or generic';
COMMENT ON COLUMN main.devices.ip_address IS 'its own IP';
COMMENT ON COLUMN main.devices.mac_address IS 'its own MAC';
COMMENT ON COLUMN main.devices.location IS 'where it is';
COMMENT ON COLUMN main.devices.online IS 'whether its last presence said so';
COMMENT ON COLUMN main.devices.condition IS 'online, warning or error, by its last health';
COMMENT ON COLUMN main.devices.cpu_usage_percent IS '0 to 100, by its last health';
COMMENT ON COLUMN main.devices.memory_usage_percent IS '0 to 100, by its last health';
COMMENT ON COLUMN main.devices.temperature_celsius IS 'by its last health';
COMMENT ON COLUMN main.devices.uptime_s IS 'seconds since it started, by its last health';
COMMENT ON COLUMN main.devices.version IS 'of the agent';
COMMENT ON COLUMN main.devices.model_id IS 'the model that judges';
COMMENT ON COLUMN main.devices.mode IS 'observe, suggest or enforce';
COMMENT ON COLUMN main.devices.lost_messages IS 'messages it gave up before they reached the centre, since it was enrolled';
COMMENT ON COLUMN main.devices.last_seen IS 'when it was heard last';
COMMENT ON COLUMN main.devices.created_at IS 'when it was enrolled or first heard';

COMMENT ON VIEW main.health IS 'How devices were, one row for each report.';
COMMENT ON COLUMN main.health.organization IS 'whose report it is; always your own';
COMMENT ON COLUMN main.health.device_id IS 'the device';
COMMENT ON COLUMN main.health.boot IS 'one life of its agent, 16 hexadecimal digits';
COMMENT ON COLUMN main.health.sent_at IS 'when it was written, by the clock of the device';
COMMENT ON COLUMN main.health.uptime_s IS 'seconds since the agent started';
COMMENT ON COLUMN main.health.cpu_usage_percent IS '0 to 100';
COMMENT ON COLUMN main.health.memory_usage_percent IS '0 to 100';
COMMENT ON COLUMN main.health.temperature_celsius IS 'of the processor';
COMMENT ON COLUMN main.health.throttled IS 'whether the processor was slowed down';
COMMENT ON COLUMN main.health.process_rss_bytes IS 'memory of the agent';
COMMENT ON COLUMN main.health.frames IS 'frames seen since boot';
COMMENT ON COLUMN main.health.windows IS 'windows judged since boot';
COMMENT ON COLUMN main.health.hosts IS 'hosts known';
COMMENT ON COLUMN main.health.alerts IS 'alerts open';
COMMENT ON COLUMN main.health.dropped IS 'JSON: reason -> count since boot';
COMMENT ON COLUMN main.health.queued IS 'JSON: queue -> depth';
COMMENT ON COLUMN main.health.clock_synchronized IS 'whether the clock of the device can be trusted';
COMMENT ON COLUMN main.health.model_id IS 'the model that judges';
COMMENT ON COLUMN main.health.mode IS 'observe, suggest or enforce';
COMMENT ON COLUMN main.health.version IS 'of the agent';
COMMENT ON COLUMN main.health.received_at IS 'when it reached the centre; the day of the archive';

COMMENT ON VIEW main.packets IS 'Headers of single packets, kept as examples of what was seen.';
COMMENT ON COLUMN main.packets.organization IS 'whose packet it is; always your own';
COMMENT ON COLUMN main.packets.device_id IS 'the device that saw it';
COMMENT ON COLUMN main.packets.captured_at IS 'when, by the clock of the device';
COMMENT ON COLUMN main.packets.src_mac IS 'sender';
COMMENT ON COLUMN main.packets.dst_mac IS 'receiver';
COMMENT ON COLUMN main.packets.src_ip IS 'sender';
COMMENT ON COLUMN main.packets.dst_ip IS 'receiver';
COMMENT ON COLUMN main.packets.src_port IS 'TCP or UDP; 0: none';
COMMENT ON COLUMN main.packets.dst_port IS 'TCP or UDP; 0: none';
COMMENT ON COLUMN main.packets.protocol IS 'such as tcp, udp, arp';
COMMENT ON COLUMN main.packets.packet_bytes IS 'length on the wire';
COMMENT ON COLUMN main.packets.ttl IS 'time to live, or hop limit';
COMMENT ON COLUMN main.packets.flags IS 'of TCP';
COMMENT ON COLUMN main.packets.label IS 'how its window was judged';
COMMENT ON COLUMN main.packets.confidence IS 'score of the label, 0 to 1';
COMMENT ON COLUMN main.packets.received_at IS 'when it reached the centre; the day of the archive';

COMMENT ON VIEW main.logs IS 'What devices logged.';
COMMENT ON COLUMN main.logs.organization IS 'whose line it is; always your own';
COMMENT ON COLUMN main.logs.device_id IS 'the device';
COMMENT ON COLUMN main.logs.logged_at IS 'when, by the clock of the device';
COMMENT ON COLUMN main.logs.level IS 'such as info, warning, error';
COMMENT ON COLUMN main.logs.component IS 'the part of the agent';
COMMENT ON COLUMN main.logs.event IS 'what happened, in one word';
COMMENT ON COLUMN main.logs.fields IS 'JSON: the rest of the line';
COMMENT ON COLUMN main.logs.received_at IS 'when it reached the centre; the day of the archive';

COMMENT ON VIEW main.readings IS 'Values of the sensors of devices.';
COMMENT ON COLUMN main.readings.organization IS 'whose value it is; always your own';
COMMENT ON COLUMN main.readings.device_id IS 'the device';
COMMENT ON COLUMN main.readings.sensor_type IS 'what is measured';
COMMENT ON COLUMN main.readings.value IS 'how much';
COMMENT ON COLUMN main.readings.unit IS 'of what';
COMMENT ON COLUMN main.readings.read_at IS 'when, by the clock of the device';
COMMENT ON COLUMN main.readings.received_at IS 'when it reached the centre; the day of the archive';

COMMENT ON VIEW main.audit IS 'What people changed.';
COMMENT ON COLUMN main.audit.organization IS 'where it was done; always your own';
COMMENT ON COLUMN main.audit.at IS 'when';
COMMENT ON COLUMN main.audit.username IS 'who';
COMMENT ON COLUMN main.audit.action IS 'what';
COMMENT ON COLUMN main.audit.target IS 'to what';
COMMENT ON COLUMN main.audit.detail IS 'more about it';
COMMENT ON COLUMN main.audit.seq IS 'its number in the chain of the organization, from 1';
COMMENT ON COLUMN main.audit.address IS 'from where; empty on the command line';
COMMENT ON COLUMN main.audit.before IS 'JSON: what was there, if anything';
COMMENT ON COLUMN main.audit.after IS 'JSON: what is there since, if anything';
COMMENT ON COLUMN main.audit.hash IS 'SHA-256 over this entry and the hash of the one before it';

COMMENT ON VIEW main.alert_changes IS 'What people decided about alerts and remarked, one row for each.';
COMMENT ON COLUMN main.alert_changes.organization IS 'whose alert it is; always your own';
COMMENT ON COLUMN main.alert_changes.device_id IS 'the device that raised it';
COMMENT ON COLUMN main.alert_changes.alert_id IS 'the alert';
COMMENT ON COLUMN main.alert_changes.change_id IS 'what was decided at once, about many alerts perhaps';
COMMENT ON COLUMN main.alert_changes.at IS 'when';
COMMENT ON COLUMN main.alert_changes.username IS 'who';
COMMENT ON COLUMN main.alert_changes.status_before IS 'the status before';
COMMENT ON COLUMN main.alert_changes.status_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.notes_before IS 'the notes before';
COMMENT ON COLUMN main.alert_changes.notes_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.reason IS 'why, in their words';
COMMENT ON COLUMN main.alert_changes.comment IS 'a remark that decides nothing';

COMMENT ON VIEW main.device_events IS 'When devices came and went.';
COMMENT ON COLUMN main.device_events.organization IS 'whose device it is; always your own';
COMMENT ON COLUMN main.device_events.id IS 'its number';
COMMENT ON COLUMN main.device_events.device_id IS 'the device';
COMMENT ON COLUMN main.device_events.event_type IS 'connected or disconnected';
COMMENT ON COLUMN main.device_events.timestamp IS 'when';
COMMENT ON COLUMN main.device_events.cause IS 'who noticed';
