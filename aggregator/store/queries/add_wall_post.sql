INSERT INTO store.wall_posts (
  number, organization, id, type, sender, message, location, user_id, posted_ns
) VALUES (
  nextval('store.wall_post_numbers'), $organization, $id, $type, $sender, $message, $location,
  $user_id, $posted_ns
);
