(a.state = 'open' AND a.status NOT IN ('resolved', 'false_positive'))
