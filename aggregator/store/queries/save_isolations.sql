MERGE INTO store.isolations AS known
USING (
  SELECT
    unnest($organization::JSON::VARCHAR[]) AS organization,
    unnest($device_id::JSON::VARCHAR[]) AS device_id,
    unnest($received_ns::JSON::BIGINT[]) AS received_ns,
    unnest($isolation_id::JSON::VARCHAR[]) AS isolation_id,
    unnest($alert_id::JSON::VARCHAR[]) AS alert_id,
    unnest($host::JSON::VARCHAR[]) AS host,
    unnest($isolated_mac::JSON::VARCHAR[]) AS isolated_mac,
    unnest($isolated_ip::JSON::VARCHAR[]) AS isolated_ip,
    unnest($isolated_port::JSON::VARCHAR[]) AS isolated_port,
    unnest($reason::JSON::VARCHAR[]) AS reason,
    unnest($enforcement::JSON::VARCHAR[]) AS enforcement,
    unnest($state::JSON::VARCHAR[]) AS state,
    unnest($isolated_ns::JSON::BIGINT[]) AS isolated_ns,
    unnest($expires_ns::JSON::BIGINT[]) AS expires_ns,
    unnest($lifted_ns::JSON::BIGINT[]) AS lifted_ns,
    unnest($detail::JSON::VARCHAR[]) AS detail,
    unnest($losses::JSON::VARCHAR[]) AS losses,
    unnest($further_losses::JSON::BIGINT[]) AS further_losses,
    unnest($host_group::JSON::VARCHAR[]) AS host_group,
    unnest($part::JSON::VARCHAR[]) AS part,
    unnest($verified::JSON::BOOLEAN[]) AS verified
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
  losses = CASE WHEN told.losses = '[]' THEN known.losses ELSE told.losses END,
  further_losses = greatest(told.further_losses, known.further_losses),
  host_group = coalesce(told.host_group, known.host_group),
  part = told.part,
  verified = known.verified OR told.verified
WHEN NOT MATCHED THEN INSERT (
  id, organization, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip,
  isolated_port, reason, enforcement, state, isolated_ns, expires_ns, lifted_ns, verified, detail,
  losses, further_losses, host_group, part, received_ns
) VALUES (
  nextval('store.isolation_ids'), told.organization, told.device_id, told.isolation_id,
  told.alert_id, told.host, told.isolated_mac, told.isolated_ip, told.isolated_port, told.reason,
  told.enforcement, told.state, told.isolated_ns, told.expires_ns, told.lifted_ns, told.verified,
  told.detail, told.losses, told.further_losses, told.host_group, told.part, told.received_ns
);
