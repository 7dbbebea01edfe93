(a.status IN ('resolved', 'false_positive') OR (a.state = 'closed' AND a.windows > 0))
