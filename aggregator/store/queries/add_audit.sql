INSERT INTO store.audit (
  organization, seq, at_ns, user_id, username, address, action, target, detail, before, after, hash
)
SELECT
  $organization::VARCHAR, last.seq + 1, $now_ns::BIGINT, $user_id::BIGINT, $username::VARCHAR,
  $address::VARCHAR, $action::VARCHAR, $target::VARCHAR, $detail::VARCHAR, $before::VARCHAR,
  $after::VARCHAR,
  sha256(json_array(
    last.hash, $organization::VARCHAR, last.seq + 1, $now_ns::BIGINT, $user_id::BIGINT,
    $username::VARCHAR, $address::VARCHAR, $action::VARCHAR, $target::VARCHAR, $detail::VARCHAR,
    $before::VARCHAR, $after::VARCHAR
  )::VARCHAR)
FROM (
  SELECT coalesce(max(seq), 0) AS seq, coalesce(arg_max(hash, seq), '') AS hash
  FROM store.audit
  WHERE organization = $organization
) AS last;
