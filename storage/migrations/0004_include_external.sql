-- Whether a flatten also takes what others placed in the account.
ALTER TABLE operator_commands ADD COLUMN include_external INTEGER NOT NULL DEFAULT 0;
