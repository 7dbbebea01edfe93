SELECT attack_type, count(*)
FROM store.alerts
WHERE organization = $organization AND received_ns >= $since_ns AND suppressed_by IS NULL
GROUP BY attack_type
ORDER BY count(*) DESC, attack_type;
