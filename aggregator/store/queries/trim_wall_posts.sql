DELETE FROM store.wall_posts
WHERE organization = $organization AND type = $type AND number <= (
  SELECT number FROM store.wall_posts
  WHERE organization = $organization AND type = $type
  ORDER BY number DESC LIMIT 1 OFFSET $kept
);
