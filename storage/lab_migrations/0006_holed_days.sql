-- Of runs over data with holes, days that a hole falls on counted as whole ones: their ratios mean something else.
UPDATE trials SET return_days = NULL, sharpe_a_day = NULL, figures_json = json_remove(figures_json, '$.return_days')
WHERE run_id IN (SELECT run_id FROM runs WHERE meaning = 2 AND labels_json LIKE '%"HOLES:%');
UPDATE runs SET meaning = 1 WHERE meaning = 2 AND labels_json LIKE '%"HOLES:%';
