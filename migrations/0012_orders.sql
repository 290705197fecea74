-- What a manager ordered and whose end the audit has not been told: a resync, a replay. A row without a link is for whoever
-- carries the order out; one with a link is for the work on that link, whoever comes to do it. The last row to go tells the
-- audit, in the transaction that ends the work.
create table orders (
    firm_id text not null,
    order_id text not null,
    -- '': whoever carries it out
    link_id text not null,
    -- as its audit events are named, without their last word
    action text not null,
    target text not null,
    -- who ordered it, from where, with which request
    actor text not null,
    address text not null,
    correlation_id text not null,
    -- JSON that its end is told with
    details text not null,
    -- without a link: somebody is at it until then
    until_ms bigint not null,
    -- with a link: only a lease with a fencing token after this one ends it
    fence bigint not null,
    -- with a link: the appointment that is to be sent, and when it was queued for that; null: a listing
    object_id text,
    queued_ms bigint,
    -- how the rows that went ended, at worst; null: none did
    status text,
    synced bigint not null default 0,
    failure text,
    primary key (firm_id, order_id, link_id)
);
create index orders_of_link on orders (firm_id, link_id);

-- The attempt that was replayed is the target of an order now.
drop index attempts_being_replayed;
alter table attempts drop column replay_correlation;

-- When what it was about got through, after it had been tried as often as it may be: from then on it does not count as such.
alter table attempts add column recovered_ms bigint;
create index attempts_exhausted on attempts (firm_id, link_id, attempt_id) where outcome = 'failed' and max_retries_reached = 1;
