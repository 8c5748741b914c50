-- From schema 7, which had no buckets, to schema 8. What a table means is said in
-- schema_beside.sql; a test compares what both lead to.

CREATE TABLE bucket (
    bucket INTEGER PRIMARY KEY,
    tenant TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    keys   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;
CREATE TABLE pair (
    bucket INTEGER NOT NULL,
    key    TEXT    NOT NULL,
    value  BLOB    NOT NULL,
    UNIQUE (bucket, key)
) STRICT;
