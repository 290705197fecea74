-- A notice that was seen is not settled: what it is about may go on.
alter table notices add column settled_ms bigint;
create index notices_unsettled on notices (firm_id, target, kind) where settled_ms is null;
