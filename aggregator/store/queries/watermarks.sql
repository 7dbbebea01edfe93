SELECT kept.organization, kept.device_id, kept.boot, kept.last_seq, kept.lost, kept.frames
FROM store.watermarks AS kept
JOIN (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($boot::JSON::VARCHAR[]) AS boot
) AS wanted
ON kept.organization = wanted.organization
  AND kept.device_id = wanted.device_id
  AND kept.boot = wanted.boot;
