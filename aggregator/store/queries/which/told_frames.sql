  SELECT organization, device_id, boot, max(received_ns) AS received_ns, max(frames) AS frames
  FROM (
    SELECT unnest(COLUMNS(*))
    FROM (SELECT unnest(given) FROM (SELECT json_transform_strict($columns::JSON, '{
      "organization": ["VARCHAR"],
      "device_id": ["VARCHAR"],
      "boot": ["VARCHAR"],
      "received_ns": ["BIGINT"],
      "frames": ["BIGINT"]
    }') AS given))
  )
  GROUP BY organization, device_id, boot
