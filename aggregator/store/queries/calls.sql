SELECT coalesce(u.api_calls, 0), o.max_api_calls
FROM store.organizations AS o
LEFT JOIN store.usage AS u ON u.organization = o.organization AND u.month = $month::DATE
WHERE o.organization = $organization;
