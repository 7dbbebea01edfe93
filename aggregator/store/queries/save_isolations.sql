MERGE INTO store.isolations AS known
USING (
  SELECT
    unnest($organization::VARCHAR[]) AS organization,
    unnest($device_id::VARCHAR[]) AS device_id,
    unnest($received_ns::BIGINT[]) AS received_ns,
    unnest($isolation_id::VARCHAR[]) AS isolation_id,
    unnest($alert_id::VARCHAR[]) AS alert_id,
    unnest($host::VARCHAR[]) AS host,
    unnest($isolated_mac::VARCHAR[]) AS isolated_mac,
    unnest($isolated_ip::VARCHAR[]) AS isolated_ip,
    unnest($isolated_port::VARCHAR[]) AS isolated_port,
    unnest($reason::VARCHAR[]) AS reason,
    unnest($enforcement::VARCHAR[]) AS enforcement,
    unnest($state::VARCHAR[]) AS state,
    unnest($isolated_ns::BIGINT[]) AS isolated_ns,
    unnest($expires_ns::BIGINT[]) AS expires_ns,
    unnest($lifted_ns::BIGINT[]) AS lifted_ns,
    unnest($detail::VARCHAR[]) AS detail,
    unnest($verified::BOOLEAN[]) AS verified
) AS told
ON known.organization = told.organization
  AND known.device_id = told.device_id
  AND known.isolation_id = told.isolation_id
WHEN MATCHED THEN UPDATE SET
  alert_id = coalesce(told.alert_id, known.alert_id),
  isolated_mac = told.isolated_mac,
  isolated_ip = told.isolated_ip,
  isolated_port = told.isolated_port,
  reason = told.reason,
  enforcement = told.enforcement,
  state = told.state,
  expires_ns = told.expires_ns,
  lifted_ns = told.lifted_ns,
  detail = told.detail,
  verified = known.verified OR told.verified
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip,
  isolated_port, reason, enforcement, state, isolated_ns, expires_ns, lifted_ns, verified, detail,
  received_ns
) VALUES (
  nextval('store.isolation_ids'), told.organization, told.device_id, told.isolation_id,
  told.alert_id, told.host, told.isolated_mac, told.isolated_ip, told.isolated_port, told.reason,
  told.enforcement, told.state, told.isolated_ns, told.expires_ns, told.lifted_ns, told.verified,
  told.detail, told.received_ns
);
