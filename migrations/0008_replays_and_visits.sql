-- What became of an attempt that somebody had replayed: it failed, and what it was about was done after all.

-- The request that replays it, until its outcome is known.
alter table attempts add column replay_correlation text;
-- When a replay of it succeeded; its outcome is success from then on, its error is what it was.
alter table attempts add column replayed_ms bigint;
create index attempts_being_replayed on attempts (firm_id, link_id, replay_correlation) where replay_correlation is not null;
-- Of the failed attempts counted here, those that were replayed with success. The calls stay counted as they ended.
alter table attempt_days add column repaired bigint not null default 0;
-- When the user was last seen with their own password or in a browser, to an hour. App passwords and tokens know their own.
alter table users add column last_seen_ms bigint;
