-- Connections, links and what reconciliation remembers. One text for SQLite and PostgreSQL, as 0001.

create table connections (
    firm_id text not null,
    connection_id text not null,
    user_id text not null,
    provider text not null,
    -- the account's own name at the provider: an address, or a URL for CalDAV and ICS
    account text not null,
    label text not null,
    status text not null,
    -- why it is as it is, for a person
    status_note text,
    -- what was granted, separated by spaces
    scopes text not null,
    -- JSON with tokens or a password, sealed for this row; null once revoked
    secret_sealed bytea,
    token_expires_ms bigint,
    -- counts exchanges of the secret, so that of two refreshing nodes one wins
    secret_version bigint not null,
    -- rate limited: no call before this
    slow_until_ms bigint,
    created_ms bigint not null,
    changed_ms bigint not null,
    primary key (firm_id, connection_id),
    foreign key (firm_id, user_id) references users (firm_id, user_id)
);
create unique index connections_by_account on connections (firm_id, user_id, provider, account);

-- A consent under way; used once.
create table oauth_states (
    firm_id text not null,
    state_hash bytea not null,
    user_id text not null,
    -- the session or token that began it: nobody else may finish it
    bound_to text not null,
    provider text not null,
    -- PKCE verifier
    verifier_sealed bytea not null,
    redirect_uri text not null,
    created_ms bigint not null,
    expires_ms bigint not null,
    primary key (firm_id, state_hash)
);
create index oauth_states_by_age on oauth_states (expires_ms);

create table links (
    firm_id text not null,
    link_id text not null,
    connection_id text not null,
    user_id text not null,
    calendar_id text not null,
    remote_calendar text not null,
    remote_name text not null,
    -- the remote calendar's own IANA zone
    zone text not null,
    direction text not null,
    -- JSON: filters, privacy, conflict and delete policy, field mapping
    policy text not null,
    status text not null,
    status_note text,
    interval_ms bigint not null,
    cursor text,
    -- counts full listings; a mapping that a complete one has not seen is absent
    generation bigint not null,
    -- JSON: where a full listing stands, so that it can go on after a stop
    progress text,
    lease_owner text,
    lease_until_ms bigint,
    -- fencing token: every write of a run demands the one it got
    fence bigint not null,
    -- when the next run is due, and what kind of run it is
    due_ms bigint not null,
    due_kind text not null,
    -- what the mass-change guard is allowed to remove by a person's word; 0: nothing beyond its measure
    confirmed bigint not null,
    -- failures of whole runs in a row
    failures bigint not null,
    last_run_ms bigint,
    last_success_ms bigint,
    last_status text,
    created_ms bigint not null,
    changed_ms bigint not null,
    primary key (firm_id, link_id),
    foreign key (firm_id, connection_id) references connections (firm_id, connection_id)
);
create unique index links_by_pair on links (firm_id, calendar_id, connection_id, remote_calendar);
create index links_of_connection on links (firm_id, connection_id);
create index links_of_user on links (firm_id, user_id);
create index links_by_due on links (status, due_ms);

create table mappings (
    firm_id text not null,
    link_id text not null,
    mapping_id text not null,
    -- null: an item that has no appointment here (quarantined, an own copy)
    object_id text,
    -- null: not created there yet
    remote_id text,
    -- JSON: state with its data
    state text not null,
    word text not null,
    origin text not null,
    -- what both sides last agreed on: the object's version and bytes here, the item as it was given back there
    base_version bigint not null,
    base_data bytea,
    base_item text,
    -- the latest the provider said, where that is not agreed on yet
    seen_item text,
    generation bigint not null,
    -- writes that only answered the other side's rewriting, and since when they are counted
    rewrites bigint not null,
    rewrites_since_ms bigint not null,
    -- after a resolution: no new conflict before this
    cool_until_ms bigint,
    warnings text,
    changed_ms bigint not null,
    primary key (firm_id, link_id, mapping_id)
);
create unique index mappings_by_remote on mappings (firm_id, link_id, remote_id);
create unique index mappings_by_object on mappings (firm_id, link_id, object_id);
create index mappings_of_object on mappings (firm_id, object_id);
create index mappings_by_generation on mappings (firm_id, link_id, generation);
create index mappings_by_word on mappings (firm_id, link_id, word);

-- What a link still has to carry out. Written in the transaction of the change; one row however often it changes.
create table outbox (
    firm_id text not null,
    link_id text not null,
    object_id text not null,
    queued_ms bigint not null,
    not_before_ms bigint not null,
    tries bigint not null,
    -- 1: a user's own edit, which alone may invite anybody
    by_user bigint not null,
    primary key (firm_id, link_id, object_id)
);
create index outbox_by_due on outbox (not_before_ms, firm_id, link_id);

create table runs (
    firm_id text not null,
    run_id text not null,
    link_id text not null,
    connection_id text not null,
    user_id text not null,
    kind text not null,
    status text not null,
    started_ms bigint not null,
    completed_ms bigint,
    pushed bigint not null,
    pulled bigint not null,
    deleted bigint not null,
    conflicts bigint not null,
    errors bigint not null,
    error_summary text,
    correlation_id text not null,
    undone_by text,
    primary key (firm_id, run_id)
);
create index runs_of_link on runs (firm_id, link_id, run_id);
create index runs_of_user on runs (firm_id, user_id, run_id);
create index runs_by_status on runs (status, started_ms);

-- What a run did to each side, so that it can be told and undone.
create table run_items (
    firm_id text not null,
    run_id text not null,
    number bigint not null,
    link_id text not null,
    object_id text,
    remote_id text,
    -- pull or push
    way text not null,
    -- created, updated, deleted, cancelled, linked, conflict, withdrawn, parked …
    action text not null,
    -- what the changed side was before: a version here, an item there
    before_version bigint,
    before_data bytea,
    after_version bigint,
    note text,
    at_ms bigint not null,
    primary key (firm_id, run_id, number)
);
create index run_items_of_object on run_items (firm_id, object_id, at_ms);

create table attempts (
    firm_id text not null,
    attempt_id text not null,
    run_id text not null,
    link_id text not null,
    connection_id text not null,
    operation text not null,
    way text not null,
    object_id text,
    remote_id text,
    -- success, failed
    outcome text not null,
    error_class text,
    error_summary text,
    retry_count bigint not null,
    next_retry_ms bigint,
    max_retries_reached bigint not null,
    started_ms bigint not null,
    completed_ms bigint not null,
    correlation_id text not null,
    primary key (firm_id, attempt_id)
);
create index attempts_of_connection on attempts (firm_id, connection_id, outcome, attempt_id);
create index attempts_of_run on attempts (firm_id, run_id);
create index attempts_of_object on attempts (firm_id, object_id);

create table conflicts (
    firm_id text not null,
    conflict_id text not null,
    link_id text not null,
    mapping_id text not null,
    user_id text not null,
    object_id text,
    remote_id text,
    kind text not null,
    -- JSON: fields with base, local and remote values
    fields text not null,
    opened_ms bigint not null,
    resolved_ms bigint,
    resolution text,
    -- JSON: the sides chosen field by field
    choices text,
    resolved_by text,
    primary key (firm_id, conflict_id)
);
create index conflicts_of_user on conflicts (firm_id, user_id, resolved_ms, conflict_id);
create index conflicts_of_mapping on conflicts (firm_id, link_id, mapping_id);
create index conflicts_of_object on conflicts (firm_id, object_id);

create table channels (
    firm_id text not null,
    channel_id text not null,
    link_id text not null,
    resource text not null,
    -- hash of the token that comes with every notification
    token_hash bytea not null,
    expires_ms bigint not null,
    created_ms bigint not null,
    last_notified_ms bigint,
    -- 1: another took its place; it is stopped at the provider and then forgotten
    replaced bigint not null,
    primary key (firm_id, channel_id)
);
create unique index channels_by_id on channels (channel_id);
create index channels_of_link on channels (firm_id, link_id);

-- Who was invited to what: a row is there before the call that may send mail.
create table mail_ledger (
    firm_id text not null,
    uid text not null,
    recurrence_id text not null,
    sequence bigint not null,
    recipient text not null,
    method text not null,
    at_ms bigint not null,
    primary key (firm_id, uid, recurrence_id, sequence, recipient, method)
);

-- What a user should know although nobody asked: a connection that needs consent, a link that waits.
create table notices (
    firm_id text not null,
    notice_id text not null,
    user_id text not null,
    kind text not null,
    target text not null,
    text text not null,
    created_ms bigint not null,
    seen_ms bigint,
    primary key (firm_id, notice_id)
);
create index notices_of_user on notices (firm_id, user_id, seen_ms);
