-- From schema 6, which had no audit log, to schema 7. What a table means is said in
-- schema.sql; a test compares what both lead to.

CREATE TABLE act (
    tenant TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    UNIQUE (tenant, seq)
) STRICT;
