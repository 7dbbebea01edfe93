ON known.start_ns = told.start_ns AND known.counted = told.counted
  AND known.organization = told.organization AND known.device_id = told.device_id
  AND known.class = told.class AND known.severity = told.severity
  AND known.status = told.status AND known.suppressed = told.suppressed
WHEN MATCHED AND known.count::HUGEINT + told.count = 0 THEN DELETE
WHEN MATCHED THEN UPDATE SET
  count = least(known.count::HUGEINT + told.count, 9223372036854775807)::BIGINT
WHEN NOT MATCHED AND told.count <> 0 THEN INSERT (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
) VALUES (
  told.counted, told.start_ns, told.organization, told.device_id, told.class, told.severity,
  told.status, told.suppressed, told.count
)
