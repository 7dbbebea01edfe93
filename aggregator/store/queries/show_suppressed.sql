UPDATE store.alerts SET suppressed_by = NULL
WHERE organization = $organization AND suppressed_by = $id;
