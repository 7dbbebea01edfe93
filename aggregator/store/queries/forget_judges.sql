DELETE FROM store.judges WHERE judge_id NOT IN (SELECT judge_id FROM store.verdicts);
