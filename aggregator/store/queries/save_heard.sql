MERGE INTO store.devices AS known
USING (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($lost::JSON::BIGINT[]) AS lost
) AS told
ON known.organization = told.organization AND known.device_id = told.device_id
WHEN MATCHED THEN UPDATE SET
  online = TRUE,  -- it tells what is new: its own word that it came may be lost
  last_seen_ns = $now_ns::BIGINT,
  -- A device may claim any floor, and claim it again: the sum stays what a column holds.
  lost_messages = least(known.lost_messages::HUGEINT + told.lost, 9223372036854775807)
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, name, type, online, condition, lost_messages, last_seen_ns,
  created_ns
) VALUES (
  nextval('store.device_ids'), told.organization, told.device_id, told.device_id, 'edge_ml', TRUE,
  'online', told.lost, $now_ns::BIGINT, $now_ns::BIGINT
);
