-- Those of alerts go with the alerts. What a device dates far ahead of us counts for nothing.
DELETE FROM store.minute_counts
WHERE counted IN ('verdicts', 'frames') AND (start_ns < $before_ns OR start_ns > $after_ns);
