-- Since when devices are something else than they are to be; written only where that changes.
UPDATE store.desired AS wanted SET
  differs_ns = CASE WHEN wanted.differs_ns IS NULL THEN $now_ns::BIGINT END
FROM store.devices AS known
WHERE known.organization = wanted.organization AND known.device_id = wanted.device_id
  AND (wanted.differs_ns IS NULL) = (
    (wanted.model_id IS NOT NULL AND wanted.model_id IS DISTINCT FROM known.model_id)
    OR (wanted.mode IS NOT NULL AND wanted.mode IS DISTINCT FROM known.mode)
  );
