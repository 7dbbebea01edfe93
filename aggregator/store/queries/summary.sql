SELECT
  (SELECT count(*) FROM store.isolations
    WHERE organization = $organization AND state IN ('applied', 'verified')
      AND expires_ns > $now_ns::BIGINT),
  (SELECT count(*) FROM /* rows: readings */
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT),
  (SELECT count(DISTINCT (device_id, sensor_type)) FROM /* rows: readings */
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT),
  (SELECT count(*) FROM /* rows: logs */
    WHERE organization = $organization AND received_ns >= $since_ns::BIGINT AND level = 'error');
