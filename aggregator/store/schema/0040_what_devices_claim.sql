-- A device may claim any number: no sum of them leaves what a column holds, whoever asks for it.
CREATE OR REPLACE VIEW store.numbered_verdicts AS
SELECT
  position, organization, device_id, host, src_mac, src_ip, dst_ip, label, confidence, scores,
  string_split(classes, ',') AS classes, packets, wire_bytes, sampled_one_in, model_id,
  make_timestamp(window_start_ns // 1000) AS window_start,
  make_timestamp(
    window_start_ns // 1000 + (window_start_ns % 1000 + window_ns) // 1000
  ) AS window_end,
  make_timestamp(received_ns // 1000) AS received_at
FROM store.verdicts
JOIN store.judges USING (judge_id);

CREATE OR REPLACE VIEW main.hosts AS
SELECT
  organization, device_id, host, arg_max(src_ip, window_start) AS last_ip,
  min(window_start) AS first_seen, max(window_start) AS last_seen,
  least(sum(packets), 9223372036854775807)::BIGINT AS packets, count(*) AS windows,
  count(*) FILTER (label <> 'benign') AS malicious_windows
FROM main.verdicts
GROUP BY organization, device_id, host;

COMMENT ON VIEW main.hosts IS 'Hosts that were ever judged, as far back as verdicts are kept.';
COMMENT ON COLUMN main.hosts.organization IS 'whose host it is; always your own';
COMMENT ON COLUMN main.hosts.device_id IS 'the device that sees it';
COMMENT ON COLUMN main.hosts.host IS 'a MAC, or an IP behind a router';
COMMENT ON COLUMN main.hosts.last_ip IS 'its IP in its newest window';
COMMENT ON COLUMN main.hosts.first_seen IS 'start of its first window';
COMMENT ON COLUMN main.hosts.last_seen IS 'start of its newest window';
COMMENT ON COLUMN main.hosts.packets IS 'packets in all its windows';
COMMENT ON COLUMN main.hosts.windows IS 'how many windows';
COMMENT ON COLUMN main.hosts.malicious_windows IS 'how many of them were not benign';
