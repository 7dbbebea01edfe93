-- What an isolation takes away, and the group of hosts whose mode counted.
ALTER TABLE store.isolations ADD COLUMN losses VARCHAR DEFAULT '[]';  -- as JSON
ALTER TABLE store.isolations ADD COLUMN further_losses BIGINT DEFAULT 0;
ALTER TABLE store.isolations ADD COLUMN host_group VARCHAR;

CREATE OR REPLACE VIEW main.isolations AS
SELECT
  organization, device_id, isolation_id, alert_id, host, isolated_mac, isolated_ip, isolated_port,
  reason, enforcement, state, verified, make_timestamp(isolated_ns // 1000) AS isolated_at,
  make_timestamp(expires_ns // 1000) AS expires_at, make_timestamp(lifted_ns // 1000) AS lifted_at,
  detail, losses, further_losses, host_group
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
