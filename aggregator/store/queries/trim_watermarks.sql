DELETE FROM store.watermarks AS known
USING (
  SELECT
    w.organization, w.device_id, w.boot,
    row_number() OVER (
      PARTITION BY w.organization, w.device_id ORDER BY w.updated_ns DESC, w.boot
    ) AS place
  FROM store.watermarks AS w
  JOIN (
    SELECT
      unnest($organization::JSON::VARCHAR[]) AS organization,
      unnest($device_id::JSON::VARCHAR[]) AS device_id
  ) AS given
  ON w.organization = given.organization AND w.device_id = given.device_id
) AS old
WHERE known.organization = old.organization
  AND known.device_id = old.device_id
  AND known.boot = old.boot
  AND old.place > $most::BIGINT
RETURNING known.organization, known.device_id, known.boot;
