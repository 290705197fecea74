-- What lies in a range of time without a look at what was before and will be after it. An object that lasts less than 32
-- days from its first start to its last end begins near the range; the others, mostly series, are few. Queries say the
-- conditions in these very words (store/objects.rs).
create index objects_short on objects
    (firm_id, calendar_id, component, starts_ms, ends_ms, name, etag, floating, recurring, all_day, transparent, status)
    where ends_ms < starts_ms + 2764800000;
create index objects_long on objects (firm_id, calendar_id, component, ends_ms, starts_ms)
    where ends_ms >= starts_ms + 2764800000;
