SELECT
  organization, count(*) AS entries, arg_max(hash, seq) AS head,
  min(seq) FILTER (WHERE broken) AS broken_at
FROM (
  SELECT
    organization, seq, hash,
    seq <> row_number() OVER chain OR hash IS DISTINCT FROM sha256(json_array(
      lag(hash, 1, '') OVER chain, organization, seq, at_ns, user_id, username, address, action,
      target, detail, before, after
    )::VARCHAR) AS broken
  FROM store.audit
  WHERE $organization::VARCHAR IS NULL OR organization = $organization
  WINDOW chain AS (PARTITION BY organization ORDER BY seq)
)
GROUP BY organization
ORDER BY organization;
