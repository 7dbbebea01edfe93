SELECT count(*)
FROM store.alert_changes
WHERE organization = $organization AND alert_number = $number;
