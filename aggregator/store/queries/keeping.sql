SELECT organization, keep_days, keep_alerts_days
FROM store.organizations
WHERE keep_days IS NOT NULL OR keep_alerts_days IS NOT NULL
ORDER BY organization;
