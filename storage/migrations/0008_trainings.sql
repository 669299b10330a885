-- The newest record of each symbol's trainings at each stage: what a start has to know of them, however many there were.
CREATE TABLE trainings_now (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (account, symbol, status)
) WITHOUT ROWID;

INSERT INTO trainings_now SELECT account, symbol, status, max(seq) FROM training GROUP BY account, symbol, status;

-- Places of a journal, both ends included, whose records were aged out: nobody reads them any more.
CREATE TABLE aged (
    account TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    PRIMARY KEY (account, first_seq)
) WITHOUT ROWID;
