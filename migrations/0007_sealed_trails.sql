-- Where a firm's trail of acts ends is noted under a keyed hash, whose key opens with the encryption key only.
-- What is here already gets its seal when the store is next opened: SQL has no key.
alter table audit_heads add column keyed_from bigint;
alter table audit_heads add column seal bytea;
