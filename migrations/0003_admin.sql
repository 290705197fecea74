-- What managers look at: attempts that are counted as they are recorded, and a trail of acts whose end is known.

-- 1: a failure that nothing has followed yet. What follows it under the same link, on the same object, takes the mark off.
alter table attempts add column unanswered bigint not null default 0;
drop index attempts_of_connection;
create index attempts_of_connection on attempts (firm_id, connection_id, attempt_id);
create index attempts_failed on attempts (firm_id, attempt_id) where outcome = 'failed';
create index attempts_failed_of_connection on attempts (firm_id, connection_id, attempt_id) where outcome = 'failed';
create index attempts_unanswered on attempts (firm_id, link_id, object_id) where unanswered = 1;
-- A listing shows the appointments of a project.
create index objects_of_project on objects (firm_id, project_id) where project_id is not null;

-- Attempts by day: what a list counts without walking through a million rows, and what is left of them when they are
-- removed.
create table attempt_days (
    firm_id text not null,
    -- days since 1970-01-01 in UTC, by when the attempt began
    day bigint not null,
    -- 0 to 7, of the connection: so that not all links of a firm wait for one row
    shard bigint not null,
    provider text not null,
    operation text not null,
    way text not null,
    outcome text not null,
    -- '': it succeeded
    error_class text not null,
    max_retries_reached bigint not null,
    -- 1: the attempts themselves are there; 0: only this is left of them
    kept bigint not null,
    attempts bigint not null,
    primary key (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, kept)
);
insert into attempt_days (firm_id, day, shard, provider, operation, way, outcome, error_class, max_retries_reached, kept, attempts)
    select a.firm_id, a.started_ms / 86400000, 0, k.provider, a.operation, a.way, a.outcome, coalesce(a.error_class, ''),
    a.max_retries_reached, 1, count(*) from attempts a
    join connections k on k.firm_id = a.firm_id and k.connection_id = a.connection_id
    group by a.firm_id, a.started_ms / 86400000, k.provider, a.operation, a.way, a.outcome, coalesce(a.error_class, ''),
    a.max_retries_reached;

-- The request or notification that asked for what comes next; null: nobody, the schedule.
alter table links add column due_correlation text;
alter table outbox add column correlation_id text;

-- Where a firm's trail of acts ends, so that a trail without its last events shows.
create table audit_heads (
    firm_id text not null primary key,
    number bigint not null,
    chain bytea not null
);
insert into audit_heads (firm_id, number, chain)
    select firm_id, number, chain from audit_events e
    where number = (select max(number) from audit_events n where n.firm_id = e.firm_id);
create index audit_by_time on audit_events (firm_id, at_ms);

-- Runs by day, as attempts.
create table run_days (
    firm_id text not null,
    day bigint not null,
    shard bigint not null,
    provider text not null,
    kind text not null,
    status text not null,
    runs bigint not null,
    primary key (firm_id, day, shard, provider, kind, status)
);
insert into run_days (firm_id, day, shard, provider, kind, status, runs)
    select r.firm_id, r.started_ms / 86400000, 0, k.provider, r.kind, r.status, count(*) from runs r
    join connections k on k.firm_id = r.firm_id and k.connection_id = r.connection_id where r.status <> 'running'
    group by r.firm_id, r.started_ms / 86400000, k.provider, r.kind, r.status;
