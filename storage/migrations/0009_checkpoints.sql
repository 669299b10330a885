-- What an account's trader remembered behind the first `seq` records, so that a start need not be told them again.
-- `form` is which program's memory `memory` is (JSON), `digest` its BLAKE2b: where either is not what it should
-- be, the whole journal is told.
CREATE TABLE checkpoints (
    account TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    form TEXT NOT NULL,
    digest TEXT NOT NULL,
    memory BLOB NOT NULL
) WITHOUT ROWID;

-- A start asks for what others held last, among the adjustments before a checkpoint.
CREATE INDEX adjustments_by_what ON adjustments (account, what, symbol, seq);
