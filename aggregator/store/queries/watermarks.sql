SELECT kept.organization, kept.device_id, kept.boot, kept.last_seq, kept.lost
FROM store.watermarks AS kept
JOIN (
  SELECT
    unnest($organization::VARCHAR[]) AS organization,
    unnest($device_id::VARCHAR[]) AS device_id,
    unnest($boot::VARCHAR[]) AS boot
) AS wanted
ON kept.organization = wanted.organization
  AND kept.device_id = wanted.device_id
  AND kept.boot = wanted.boot;
