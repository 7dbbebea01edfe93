-- Of each organization by itself, so that no other pushes out what it is to look at; NULL: the topic named none.
DELETE FROM store.rejects
WHERE rowid IN (
  SELECT rowid
  FROM store.rejects
  WHERE coalesce(organization, '') IN (SELECT unnest($organizations::JSON::VARCHAR[]))
  QUALIFY row_number() OVER (PARTITION BY organization ORDER BY received_ns DESC) > $kept
);
