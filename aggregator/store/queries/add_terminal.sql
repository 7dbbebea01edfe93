INSERT INTO store.terminals (
  terminal_id, organization, device_id, user_id, username, ssh_username, opened_ns
) VALUES (
  $terminal_id, $organization, $device_id, $user_id, $username, $ssh_username, $opened_ns
);
