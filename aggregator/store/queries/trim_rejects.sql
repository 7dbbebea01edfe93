DELETE FROM store.rejects
WHERE received_ns < (
  SELECT received_ns FROM store.rejects ORDER BY received_ns DESC LIMIT 1 OFFSET $kept
);
