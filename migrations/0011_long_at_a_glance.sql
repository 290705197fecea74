-- What is long is told from its index alone, as what is short is.
drop index objects_long;
create index objects_long on objects
    (firm_id, calendar_id, component, ends_ms, starts_ms, name, etag, floating, recurring, all_day, transparent, status)
    where ends_ms >= starts_ms + 2764800000;
