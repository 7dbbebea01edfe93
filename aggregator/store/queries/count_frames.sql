-- `frames` counts from the agent's start, so each boot adds what it saw since the moment.
SELECT least(coalesce(sum(latest - coalesce(before, 0)), 0), 9223372036854775807)::BIGINT
FROM (
  SELECT max(frames) AS latest, max(frames) FILTER (received_ns < $since_ns::BIGINT) AS before
  FROM store.health
  WHERE organization = $organization
  GROUP BY device_id, boot
);
