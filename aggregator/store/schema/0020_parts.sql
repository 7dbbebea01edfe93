-- What of a host an isolation cuts off, where it is not all of it.
ALTER TABLE store.isolations ADD COLUMN part VARCHAR;  -- as JSON

CREATE OR REPLACE VIEW main.isolations AS
SELECT
  organization, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port,
  reason, enforcement, state, verified, make_timestamp(isolated_ns // 1000) AS isolated_at,
  make_timestamp(expires_ns // 1000) AS expires_at, make_timestamp(lifted_ns // 1000) AS lifted_at,
  detail, losses, further_losses, host_group, part,
  coalesce(
    part ->> '$.kind',
    CASE WHEN isolated_mac IS NULL AND isolated_ip IS NULL THEN 'port' ELSE 'host' END
  ) AS cut
FROM store.isolations;

COMMENT ON VIEW main.isolations IS 'Hosts and bridge ports that were cut off, and what became of it.';
COMMENT ON COLUMN main.isolations.organization IS 'whose isolation it is; always your own';
COMMENT ON COLUMN main.isolations.device_id IS 'the device that enforces it';
COMMENT ON COLUMN main.isolations.isolation_id IS '32 hexadecimal digits';
COMMENT ON COLUMN main.isolations.alert_id IS 'the alert that led to it, if any';
COMMENT ON COLUMN main.isolations.host IS 'whom';
COMMENT ON COLUMN main.isolations.isolated_mac IS 'the MAC that is cut off';
COMMENT ON COLUMN main.isolations.isolated_ip IS 'the IP that is cut off';
COMMENT ON COLUMN main.isolations.isolated_port IS 'the bridge port that is cut off';
COMMENT ON COLUMN main.isolations.reason IS 'why, in words';
COMMENT ON COLUMN main.isolations.enforcement IS 'dry_run, nft or another way';
COMMENT ON COLUMN main.isolations.state IS 'simulated, suggested, applied, verified, lifted, expired or failed';
COMMENT ON COLUMN main.isolations.verified IS 'whether it was read back from the kernel at least once';
COMMENT ON COLUMN main.isolations.isolated_at IS 'since when';
COMMENT ON COLUMN main.isolations.expires_at IS 'until when, unless it is renewed';
COMMENT ON COLUMN main.isolations.lifted_at IS 'when it ended early';
COMMENT ON COLUMN main.isolations.detail IS 'what the kernel said';
COMMENT ON COLUMN main.isolations.losses IS 'the services it takes away, and from whom, as JSON';
COMMENT ON COLUMN main.isolations.further_losses IS 'how many more services it takes away';
COMMENT ON COLUMN main.isolations.host_group IS 'the group of hosts, in the settings of the device, whose mode counted';
COMMENT ON COLUMN main.isolations.part IS 'what of the host is cut off, as JSON; NULL: all of it';
COMMENT ON COLUMN main.isolations.cut IS 'rate, flow, pair, host or port: how much is cut off';
