-- Until when what was decided about an alert holds, by our clock; then it is active again. NULL: for good.
ALTER TABLE store.alerts ADD COLUMN expires_ns BIGINT;
ALTER TABLE store.alert_changes ADD COLUMN expires_before_ns BIGINT;
ALTER TABLE store.alert_changes ADD COLUMN expires_after_ns BIGINT;

-- The changes that decided something: no mere remarks. Who is '' is nobody: time, or a device.
CREATE OR REPLACE VIEW store.decisions AS
SELECT
  id, organization, alert_number, change_id, at_ns, user_id, username, status_before, status_after,
  notes_before, notes_after, assignee_before, assignee_after, expires_before_ns, expires_after_ns
FROM store.alert_changes
WHERE status_before <> status_after
  OR notes_before IS DISTINCT FROM notes_after
  OR assignee_before IS DISTINCT FROM assignee_after
  OR expires_before_ns IS DISTINCT FROM expires_after_ns;

CREATE OR REPLACE VIEW main.alert_changes AS
SELECT
  c.organization, a.device_id, a.alert_id, c.change_id, make_timestamp(c.at_ns // 1000) AS at,
  nullif(c.username, '') AS username, c.status_before, c.status_after, c.notes_before, c.notes_after, c.assignee_before,
  c.assignee_after, make_timestamp(c.expires_before_ns // 1000) AS expires_before,
  make_timestamp(c.expires_after_ns // 1000) AS expires_after, c.reason, c.comment
FROM store.alert_changes AS c
JOIN store.alerts AS a ON a.id = c.alert_number;

COMMENT ON VIEW main.alert_changes IS 'What people decided about alerts and remarked, one row for each.';
COMMENT ON COLUMN main.alert_changes.organization IS 'whose alert it is; always your own';
COMMENT ON COLUMN main.alert_changes.device_id IS 'the device that raised it';
COMMENT ON COLUMN main.alert_changes.alert_id IS 'the alert';
COMMENT ON COLUMN main.alert_changes.change_id IS 'what was decided at once, about many alerts perhaps';
COMMENT ON COLUMN main.alert_changes.at IS 'when';
COMMENT ON COLUMN main.alert_changes.username IS 'who; NULL: its time had passed, or its device told of something else';
COMMENT ON COLUMN main.alert_changes.status_before IS 'the status before';
COMMENT ON COLUMN main.alert_changes.status_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.notes_before IS 'the notes before';
COMMENT ON COLUMN main.alert_changes.notes_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.assignee_before IS 'who worked on it before';
COMMENT ON COLUMN main.alert_changes.assignee_after IS 'and since';
COMMENT ON COLUMN main.alert_changes.expires_before IS 'until when the status before was to hold; NULL: for good';
COMMENT ON COLUMN main.alert_changes.expires_after IS 'until when the status since holds';
COMMENT ON COLUMN main.alert_changes.reason IS 'why, in their words';
COMMENT ON COLUMN main.alert_changes.comment IS 'a remark that decides nothing';

CREATE OR REPLACE VIEW main.alerts AS
SELECT
  a.organization, a.alert_id, a.device_id, a.attack_type, a.severity, a.status, a.state, a.host,
  a.src_mac, a.src_ip, a.dst_ip, a.bridge_port, a.confidence, a.windows, a.packets,
  a.top_features, a.counterfactual, a.flow, a.community_id, a.model_id, a.evidence_sha256,
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
  make_timestamp(a.expires_ns // 1000) AS decision_expires_at,
  a.notes, make_timestamp(a.received_ns // 1000) AS received_at,
  a.clock_offset_ns // 1000000000 AS clock_offset_s
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
COMMENT ON COLUMN main.alerts.flow IS 'JSON: the flow that shows the attack best, by its host: addresses, protocol, ports (of ICMP type and code), packets';
COMMENT ON COLUMN main.alerts.community_id IS 'the name of that flow in Zeek, Suricata and others (Community ID, version 1)';
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
COMMENT ON COLUMN main.alerts.decision_expires_at IS 'until when its status holds, by our clock; then it is active again. NULL: for good';
COMMENT ON COLUMN main.alerts.clock_offset_s IS 'seconds that were added to the times of the device, because its clock was wrong; 0: it was not';
