-- Incidents: alerts of one host, as one device saw them, with at most an hour between them.
CREATE SEQUENCE store.incident_ids;

CREATE TABLE store.incidents (
  id BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  host VARCHAR NOT NULL,
  first_ns BIGINT NOT NULL,            -- when its first alert was opened
  last_ns BIGINT NOT NULL,             -- when its last one was seen last
  status VARCHAR NOT NULL,             -- open, investigating or closed
  assignee VARCHAR                     -- a username
);

-- store.incidents.id; 0: not gathered yet; NULL: hidden, or older than incidents.
ALTER TABLE store.alerts ADD COLUMN incident_id BIGINT;
ALTER TABLE store.alerts ADD COLUMN assignee VARCHAR;       -- a username

-- What is to be gathered, beside what it may belong to: an island is more than an hour away from the
-- others of its host. What a person has closed stays as it is.
CREATE VIEW store.islands AS
WITH fresh AS (
  SELECT organization, device_id, host, opened_ns, last_seen_ns, id
  FROM store.alerts
  WHERE incident_id = 0
),
pieces AS (
  SELECT
    organization, device_id, host, opened_ns AS start_ns,
    greatest(opened_ns, last_seen_ns) AS end_ns, id AS alert_number, NULL::BIGINT AS incident_id
  FROM fresh
  UNION ALL
  SELECT i.organization, i.device_id, i.host, i.first_ns, i.last_ns, NULL, i.id
  FROM store.incidents AS i
  WHERE i.status <> 'closed'
    AND i.last_ns >= (SELECT min(opened_ns) FROM fresh) - 3600000000000  -- few are left to compare
    AND EXISTS (
      SELECT 1 FROM fresh AS f
      WHERE f.organization = i.organization AND f.device_id = i.device_id AND f.host = i.host
    )
),
marked AS (
  SELECT *, coalesce(start_ns - 3600000000000 > max(end_ns) OVER earlier, TRUE) AS begins
  FROM pieces
  WINDOW earlier AS (
    PARTITION BY organization, device_id, host
    ORDER BY start_ns, end_ns, alert_number, incident_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
),
numbered AS (
  SELECT *, sum(begins::INTEGER) OVER (
    PARTITION BY organization, device_id, host
    ORDER BY start_ns, end_ns, alert_number, incident_id
    ROWS UNBOUNDED PRECEDING
  ) AS island
  FROM marked
)
SELECT
  organization, device_id, host, min(start_ns) AS first_ns, max(end_ns) AS last_ns,
  max(incident_id) AS incident_id,
  list(alert_number) FILTER (alert_number IS NOT NULL) AS alert_numbers
FROM numbered
GROUP BY organization, device_id, host, island;

CREATE OR REPLACE VIEW main.incidents AS
SELECT
  i.organization, i.id, i.device_id, i.host, i.status, i.assignee,
  make_timestamp(i.first_ns // 1000) AS first_seen_at,
  make_timestamp(i.last_ns // 1000) AS last_seen_at
FROM store.incidents AS i;

COMMENT ON VIEW main.incidents IS 'Alerts of one host that belong together, at most an hour apart.';
COMMENT ON COLUMN main.incidents.organization IS 'whose incident it is; always your own';
COMMENT ON COLUMN main.incidents.id IS 'its number, incident_id of its alerts';
COMMENT ON COLUMN main.incidents.device_id IS 'the device that saw it';
COMMENT ON COLUMN main.incidents.host IS 'the attacker: a MAC, or an IP behind a router';
COMMENT ON COLUMN main.incidents.status IS 'open, investigating or closed';
COMMENT ON COLUMN main.incidents.assignee IS 'who works on it';
COMMENT ON COLUMN main.incidents.first_seen_at IS 'when its first alert was opened, by the clock of the device';
COMMENT ON COLUMN main.incidents.last_seen_at IS 'when its last alert was seen last';

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
  a.suppressed_by IS NOT NULL AS suppressed, nullif(a.incident_id, 0) AS incident_id, a.assignee,
  make_timestamp(a.first_seen_ns // 1000) AS first_seen_at,
  make_timestamp(a.opened_ns // 1000) AS detected_at,
  make_timestamp(a.last_seen_ns // 1000) AS last_seen_at,
  make_timestamp(a.acknowledged_ns // 1000) AS acknowledged_at,
  make_timestamp(a.resolved_ns // 1000) AS resolved_at,
  a.notes, make_timestamp(a.received_ns // 1000) AS received_at
FROM store.alerts AS a;

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
COMMENT ON COLUMN main.alerts.suppressed IS 'whether a suppression hides it: stored, but neither announced nor shown';
COMMENT ON COLUMN main.alerts.incident_id IS 'the incident that it belongs to, if any';
COMMENT ON COLUMN main.alerts.assignee IS 'who works on it';
