-- What each boot saw beyond what it has told of before; reports may come late and in any order.
INSERT INTO store.fresh_counts (
  counted, start_ns, organization, device_id, class, severity, status, suppressed, count
)
SELECT
  'frames', told.received_ns // 60000000000 * 60000000000, told.organization, told.device_id, '', '',
  '', FALSE, told.frames - coalesce(known.frames, 0)
FROM (
  /* which: told_frames */
) AS told
LEFT JOIN store.frame_marks AS known
  ON known.organization = told.organization AND known.device_id = told.device_id
  AND known.boot = told.boot
WHERE told.frames > coalesce(known.frames, 0);
