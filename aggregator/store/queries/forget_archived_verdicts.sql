-- Those of earlier days that the archive holds.
DELETE FROM store.verdicts AS r
USING store.archive_marks AS m, store.judges AS j
WHERE m.view = 'verdicts' AND m.organization = j.organization AND j.judge_id = r.judge_id
  AND r.position <= m.position AND r.received_ns < $before_ns
  AND ($organization::VARCHAR IS NULL OR j.organization = $organization::VARCHAR);
