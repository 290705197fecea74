-- What is done by one node at a time, what is kept for a time only, and what is told by webhook.

create table jobs (
    name text not null primary key,
    owner text not null,
    until_ms bigint not null,
    done_ms bigint
);

create index versions_by_age on versions (firm_id, at_ms, object_id, version);
create index tombstones_by_age on tombstones (firm_id, deleted_ms);
-- The highest seq of a deletion that is not remembered any more: an older sync token may have missed it.
alter table calendars add column forgotten_seq bigint not null default 0;

-- One row for each notice and each way of telling it, written with the notice and sent after.
create table notifications (
    firm_id text not null,
    notice_id text not null,
    -- webhook
    way text not null,
    -- waiting, sent, failed, skipped
    state text not null,
    tries bigint not null,
    not_before_ms bigint not null,
    -- why the last try failed
    note text,
    changed_ms bigint not null,
    primary key (firm_id, notice_id, way)
);
create index notifications_waiting on notifications (not_before_ms) where state = 'waiting';
