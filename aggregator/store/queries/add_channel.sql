INSERT INTO store.channels (
  id, organization, name, kind, target, sealed, severities, attack_types, per_minute, quiet,
  recovery, created_by, created_ns, seen_news, sent, failed, dropped, withheld, failures,
  next_try_ns
)
SELECT
  nextval('store.channel_ids'), $organization, $name, $kind, $target, $sealed,
  $severities::JSON::VARCHAR[], $attack_types::JSON::VARCHAR[], $per_minute, $quiet, $recovery,
  $created_by, $now_ns,
  (SELECT coalesce(max(news), 0) FROM store.alerts WHERE organization = $organization),
  0, 0, 0, 0, 0, 0
WHERE (SELECT count(*) FROM store.channels WHERE organization = $organization) < $most
RETURNING id;
