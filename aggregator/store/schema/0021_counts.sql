-- Counts by minute, hour and day, so that a dashboard reads small tables instead of all rows. They change in
-- the transaction that changes what they count: it adds to `fresh_counts`, by minute, what is there now
-- and takes off what was there before. Once a minute that is folded into the others.
CREATE TABLE store.fresh_counts (
  counted VARCHAR NOT NULL,            -- opened, arrived (alerts, by either time), verdicts or frames
  start_ns BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  class VARCHAR NOT NULL,              -- of an attack, or a verdict's label; empty where there is none
  severity VARCHAR NOT NULL,           -- of alerts, like what follows
  status VARCHAR NOT NULL,
  suppressed BOOLEAN NOT NULL,
  count BIGINT NOT NULL                -- below zero: so many were counted here before
);

CREATE TABLE store.minute_counts (
  counted VARCHAR NOT NULL,
  start_ns BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  class VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  status VARCHAR NOT NULL,
  suppressed BOOLEAN NOT NULL,
  count BIGINT NOT NULL
);

CREATE TABLE store.hour_counts (
  counted VARCHAR NOT NULL,
  start_ns BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  class VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  status VARCHAR NOT NULL,
  suppressed BOOLEAN NOT NULL,
  count BIGINT NOT NULL
);

CREATE TABLE store.day_counts (
  counted VARCHAR NOT NULL,
  start_ns BIGINT NOT NULL,
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  class VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  status VARCHAR NOT NULL,
  suppressed BOOLEAN NOT NULL,
  count BIGINT NOT NULL
);

-- How many frames each boot has told of, which count from its start.
CREATE TABLE store.frame_marks (
  organization VARCHAR NOT NULL,
  device_id VARCHAR NOT NULL,
  boot VARCHAR NOT NULL,
  frames BIGINT NOT NULL,
  updated_ns BIGINT NOT NULL
);

-- Each alert twice: by when it was opened, and by when it reached us.
CREATE VIEW store.countable_alerts AS
SELECT
  'opened' AS counted, opened_ns // 60000000000 * 60000000000 AS start_ns, organization, device_id,
  attack_type AS class, severity, status, suppressed_by IS NOT NULL AS suppressed,
  id, alert_id, suppressed_by, last_seen_ns, received_ns
FROM store.alerts
UNION ALL
SELECT
  'arrived', received_ns // 60000000000 * 60000000000, organization, device_id, attack_type,
  severity, status, suppressed_by IS NOT NULL, id, alert_id, suppressed_by, last_seen_ns, received_ns
FROM store.alerts;

CREATE VIEW store.all_minutes AS FROM store.minute_counts UNION ALL FROM store.fresh_counts;

CREATE VIEW store.all_hours AS
FROM store.hour_counts
UNION ALL
SELECT * REPLACE (start_ns // 3600000000000 * 3600000000000 AS start_ns) FROM store.fresh_counts;

CREATE VIEW store.all_days AS
FROM store.day_counts
UNION ALL
SELECT * REPLACE (start_ns // 86400000000000 * 86400000000000 AS start_ns) FROM store.fresh_counts;

-- All since a minute: minutes up to the next hour, hours up to the next day, days from there on.
CREATE MACRO store.counts_since(minute_ns) AS TABLE
SELECT * FROM store.all_minutes
WHERE start_ns >= minute_ns AND start_ns < (minute_ns + 3599999999999) // 3600000000000 * 3600000000000
UNION ALL
SELECT * FROM store.all_hours
WHERE start_ns >= (minute_ns + 3599999999999) // 3600000000000 * 3600000000000
  AND start_ns < (minute_ns + 86399999999999) // 86400000000000 * 86400000000000
UNION ALL
SELECT * FROM store.all_days
WHERE start_ns >= (minute_ns + 86399999999999) // 86400000000000 * 86400000000000;

-- What there is by now.
INSERT INTO store.minute_counts
SELECT
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count(*)
FROM store.countable_alerts
GROUP BY ALL;

INSERT INTO store.minute_counts
SELECT
  'verdicts', window_start_ns // 60000000000 * 60000000000, organization, device_id, label, '', '',
  FALSE, count(*)
FROM store.verdicts
GROUP BY ALL;

INSERT INTO store.minute_counts
SELECT
  'frames', received_ns // 60000000000 * 60000000000, organization, device_id, '', '', '', FALSE,
  least(sum(frames - before), 9223372036854775807)::BIGINT
FROM (
  SELECT
    organization, device_id, received_ns, frames,
    coalesce(max(frames) OVER (
      PARTITION BY organization, device_id, boot ORDER BY received_ns, frames
      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS before
  FROM store.health
)
WHERE frames > before
GROUP BY ALL;

INSERT INTO store.frame_marks
SELECT organization, device_id, boot, max(frames), max(received_ns)
FROM store.health
GROUP BY organization, device_id, boot;

INSERT INTO store.hour_counts
SELECT
  counted, start_ns // 3600000000000 * 3600000000000, organization, device_id, class, severity, status, suppressed,
  least(sum(count), 9223372036854775807)::BIGINT
FROM store.minute_counts
GROUP BY ALL;

INSERT INTO store.day_counts
SELECT
  counted, start_ns // 86400000000000 * 86400000000000, organization, device_id, class, severity, status, suppressed,
  least(sum(count), 9223372036854775807)::BIGINT
FROM store.hour_counts
GROUP BY ALL;
