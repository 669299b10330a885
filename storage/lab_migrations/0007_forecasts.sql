-- What is forecast are values of named outputs. Runs of before kept one figure in bps: "value", whatever it was called.
UPDATE run_columns SET name = 'values' WHERE part LIKE 'predictions %' AND name = 'value_bps';

INSERT INTO run_columns
SELECT run_id, part, 'names', '<U5', 370014266, x'78012b6360604804e21c202e05e25420060019a8021e'
FROM run_columns WHERE part LIKE 'predictions %' AND name = 'values';

INSERT INTO run_columns
SELECT run_id, part, 'units', '<U3', 1785113114, x'78014b6260602800e26220060009f00146'
FROM run_columns WHERE part LIKE 'predictions %' AND name = 'values';
