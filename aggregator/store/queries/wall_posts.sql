SELECT id, type, sender, message, location, posted_ns
FROM store.wall_posts
WHERE organization = $organization AND type = $type
ORDER BY number DESC
LIMIT $limit;
