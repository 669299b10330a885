-- What a refusal means, in the words of core.domain.errors.RejectKind; NULL beside the other update_* columns.
ALTER TABLE order_events ADD COLUMN update_kind TEXT;
UPDATE order_events SET update_kind = 'other' WHERE update_state IS NOT NULL;

-- What is wrong, where the figures of a limit do not say it.
ALTER TABLE limit_events ADD COLUMN note TEXT NOT NULL DEFAULT '';

-- What was added to the wallet because of a difference.
ALTER TABLE adjustments ADD COLUMN amount_usdt TEXT NOT NULL DEFAULT '0';

-- The times between two bars at which the trader had to look after what protects its positions.
CREATE TABLE watches (
    account TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (account, seq)
) WITHOUT ROWID;
