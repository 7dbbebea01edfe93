/* which: gathered */
RETURNING a.organization, a.device_id, a.alert_id, a.id, a.incident_id;
