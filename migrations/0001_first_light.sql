-- One text for SQLite and PostgreSQL: bigint (instants in ms, counters, flags 0/1), text (ids, words, JSON), bytea.
-- Every table leads with its firm, and so do its keys and indexes.

create table store_meta (
    name text not null primary key,
    value bytea not null
);

create table firms (
    firm_id text not null primary key,
    name text not null unique,
    created_ms bigint not null
);

create table users (
    firm_id text not null references firms (firm_id),
    user_id text not null,
    name text not null unique,
    role text not null,
    display_name text,
    email text,
    -- argon2id, PHC string; null: signs in with app passwords only
    password_hash text,
    -- JSON: time zone, working hours
    settings text not null,
    created_ms bigint not null,
    disabled_ms bigint,
    primary key (firm_id, user_id)
);

create table app_passwords (
    firm_id text not null,
    app_password_id text not null,
    user_id text not null,
    label text not null,
    secret_hash bytea not null unique,
    read_only bigint not null,
    created_ms bigint not null,
    last_used_ms bigint,
    revoked_ms bigint,
    primary key (firm_id, app_password_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create index app_passwords_of_user on app_passwords (firm_id, user_id);

create table api_tokens (
    firm_id text not null,
    token_id text not null,
    user_id text not null,
    label text not null,
    scopes text not null,
    secret_hash bytea not null unique,
    created_ms bigint not null,
    last_used_ms bigint,
    revoked_ms bigint,
    primary key (firm_id, token_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create index api_tokens_of_user on api_tokens (firm_id, user_id);

create table sessions (
    firm_id text not null,
    session_id text not null,
    user_id text not null,
    secret_hash bytea not null unique,
    created_ms bigint not null,
    expires_ms bigint not null,
    primary key (firm_id, session_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create index sessions_of_user on sessions (firm_id, user_id);

create table calendars (
    firm_id text not null,
    calendar_id text not null,
    user_id text not null,
    slug text not null,
    display_name text,
    description text,
    color text,
    sort_order bigint,
    timezone text,
    components text not null,
    transparent bigint not null,
    -- counts every change of the calendar and of what is in it; ctag and sync tokens are made of it
    seq bigint not null,
    created_ms bigint not null,
    modified_ms bigint not null,
    primary key (firm_id, calendar_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create unique index calendars_by_slug on calendars (firm_id, user_id, slug);

create table objects (
    firm_id text not null,
    calendar_id text not null,
    name text not null,
    object_id text not null,
    uid text not null,
    etag text not null,
    -- the calendar's seq at this object's last change
    seq bigint not null,
    version bigint not null,
    component text not null,
    starts_ms bigint,
    -- null: undated; 9223372036854775807: without end
    ends_ms bigint,
    floating bigint not null,
    recurring bigint not null,
    all_day bigint not null,
    transparent bigint not null,
    status text,
    class text not null,
    summary text,
    search_text text not null,
    categories text not null,
    appointment_type text,
    client_id text,
    staff_user_id text,
    project_id text,
    origin text not null,
    kind text not null,
    cause text not null,
    created_ms bigint not null,
    changed_ms bigint not null,
    bytes_len bigint not null,
    data bytea not null,
    primary key (firm_id, calendar_id, name),
    foreign key (firm_id, calendar_id) references calendars (firm_id, calendar_id)
);
create unique index objects_by_id on objects (firm_id, object_id);
create unique index objects_by_uid on objects (firm_id, calendar_id, uid);
-- listings and syncs read only this index, never a body
create index objects_by_seq on objects (firm_id, calendar_id, seq, name, etag);
-- time ranges: what ends after the range begins and starts before it ends
create index objects_by_span on objects (firm_id, calendar_id, ends_ms, starts_ms, component, name);

create table tombstones (
    firm_id text not null,
    calendar_id text not null,
    name text not null,
    seq bigint not null,
    object_id text not null,
    uid text not null,
    -- 1: the object lives on under another name or in another calendar
    moved bigint not null,
    deleted_ms bigint not null,
    primary key (firm_id, calendar_id, name)
);
create index tombstones_by_seq on tombstones (firm_id, calendar_id, seq, name);
create index tombstones_by_uid on tombstones (firm_id, calendar_id, uid);

-- Past states. The present one is in objects; it moves here when it is overwritten or deleted.
create table versions (
    firm_id text not null,
    object_id text not null,
    version bigint not null,
    calendar_id text not null,
    -- the calendar's owner, so that a deleted calendar's history still has one
    user_id text not null,
    name text not null,
    uid text not null,
    component text not null,
    summary text,
    kind text not null,
    etag text,
    -- null: this version is a deletion
    data bytea,
    appointment_type text,
    client_id text,
    staff_user_id text,
    project_id text,
    cause text not null,
    at_ms bigint not null,
    primary key (firm_id, object_id, version)
);
create index versions_by_calendar on versions (firm_id, calendar_id, at_ms);
create index versions_by_owner on versions (firm_id, user_id, at_ms);

-- What PROPPATCH keeps: dead properties, and live ones that belong to the reader and not to the resource.
create table properties (
    firm_id text not null,
    resource_id text not null,
    user_id text not null,
    namespace text not null,
    name text not null,
    -- the element as it came, with every namespace it needs declared
    xml text not null,
    primary key (firm_id, resource_id, user_id, namespace, name)
);

create table feeds (
    firm_id text not null,
    feed_id text not null,
    user_id text not null,
    label text not null,
    secret_hash bytea not null unique,
    secret_sealed bytea not null,
    -- JSON: kind, calendars, filters, privacy, private appointments, window
    settings text not null,
    created_ms bigint not null,
    changed_ms bigint not null,
    expires_ms bigint,
    revoked_ms bigint,
    last_fetched_ms bigint,
    last_fetched_by text,
    fetch_count bigint not null,
    primary key (firm_id, feed_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create index feeds_of_user on feeds (firm_id, user_id);

create table idempotency (
    firm_id text not null,
    user_id text not null,
    idempotency_key text not null,
    request_hash bytea not null,
    status bigint not null,
    answer text not null,
    created_ms bigint not null,
    primary key (firm_id, user_id, idempotency_key)
);
create index idempotency_by_age on idempotency (firm_id, created_ms);

create table audit_events (
    firm_id text not null,
    number bigint not null,
    audit_id text not null,
    at_ms bigint not null,
    actor text not null,
    action text not null,
    target text not null,
    details text not null,
    correlation_id text not null,
    address text not null,
    -- SHA-256 over the previous event's hash and this one's fields
    chain bytea not null,
    primary key (firm_id, number)
);
