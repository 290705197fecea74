-- What was not told by a listing of changes is found by a listing of everything, and a guard's stop knows what it counted.

-- when everything at the provider was listed to the end; null: not yet, or something was missed since
alter table links add column listed_ms bigint;
-- what the mass-change guard stopped last: so many removals, on this side (pull) or on that one (push)
alter table links add column held_back bigint;
alter table links add column held_way text;
