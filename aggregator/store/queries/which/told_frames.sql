  SELECT organization, device_id, boot, max(received_ns) AS received_ns, max(frames) AS frames
  FROM (
    SELECT
      unnest($organization::JSON::VARCHAR[]) AS organization,
      unnest($device_id::JSON::VARCHAR[]) AS device_id,
      unnest($boot::JSON::VARCHAR[]) AS boot,
      unnest($received_ns::JSON::BIGINT[]) AS received_ns,
      unnest($frames::JSON::BIGINT[]) AS frames
  )
  GROUP BY organization, device_id, boot
