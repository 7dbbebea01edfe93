UPDATE store.organizations SET
  max_devices = $max_devices, max_users = $max_users, max_messages = $max_messages,
  max_api_calls = $max_api_calls, keep_days = $keep_days, keep_alerts_days = $keep_alerts_days
WHERE organization = $organization
RETURNING organization;
