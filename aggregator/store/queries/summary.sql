SELECT
  (SELECT count(*) FROM store.isolations
    WHERE organization = $organization AND state IN ('applied', 'verified')
      AND expires_ns > $now_ns::BIGINT),
  (SELECT count(*) FROM store.readings
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT),
  (SELECT count(DISTINCT (device_id, sensor_type)) FROM store.readings
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT),
  (SELECT count(*) FROM store.logs
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT AND level = 'error');
