-- How long plans let rows be kept, and how often they let the API be called; no limit where it is NULL.
ALTER TABLE store.organizations ADD COLUMN keep_days BIGINT;
ALTER TABLE store.organizations ADD COLUMN keep_alerts_days BIGINT;
ALTER TABLE store.organizations ADD COLUMN max_api_calls BIGINT;
ALTER TABLE store.usage ADD COLUMN api_calls BIGINT DEFAULT 0;
