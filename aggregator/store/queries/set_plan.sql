UPDATE store.organizations SET
  max_devices = $max_devices, max_users = $max_users, max_messages = $max_messages
WHERE organization = $organization
RETURNING organization;
