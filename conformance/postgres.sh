#!/bin/sh
# A throwaway PostgreSQL on 127.0.0.1, on a free port, for tests only: `start` prints its URL.
# usage: conformance/postgres.sh start|stop [DIR]       DIR holds all of it (default: a name under $TMPDIR)
set -eu
dir=${2:-${TMPDIR:-/tmp}/kalends-postgres-$(id -u)}

fail() { echo "postgres: $*" >&2; exit 1; }

bin=
for candidate in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) "$(dirname "$(command -v initdb || echo /none/x)")"; do
    if [ -x "$candidate/initdb" ] && [ -x "$candidate/pg_ctl" ]; then bin=$candidate; break; fi
done
[ -n "$bin" ] || fail "initdb is missing: conformance/tools.sh installs it"

# initdb and postgres refuse to run as root.
as_user() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    user=nobody
    if id postgres >/dev/null 2>&1; then user=postgres; fi
    as_user() { (cd / && setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"); }
fi

case ${1:-} in
start)
    if [ -f "$dir/url" ] && as_user "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
        cat "$dir/url"
        exit 0
    fi
    rm -rf "$dir"
    mkdir -p "$dir"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$password" >"$dir/password"
    if [ "$(id -u)" = 0 ]; then chown -R "$user" "$dir"; fi
    chmod 700 "$dir"
    as_user "$bin/initdb" -D "$dir/data" -U kalends -E UTF8 --locale=C.UTF-8 --auth=scram-sha-256 \
        --pwfile="$dir/password" >"$dir.log" 2>&1 || { cat "$dir.log" >&2; fail "initdb failed"; }
    # The data is thrown away and no suite cuts the machine's power: fsync would only cost time.
    cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
fsync = off
full_page_writes = off
synchronous_commit = ${KALENDS_POSTGRES_SYNC:-off}
CONF
    # Between choosing a free port and taking it another program may take it: then choose again.
    tries=0
    while :; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        if as_user "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" -o "-p $port" start >/dev/null 2>&1; then break; fi
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || { cat "$dir/log" >&2; fail "the server does not start"; }
    done
    rm -f "$dir.log"
    echo "postgres://kalends:$password@127.0.0.1:$port/postgres" | tee "$dir/url"
    ;;
stop)
    [ -d "$dir/data" ] || exit 0
    as_user "$bin/pg_ctl" -D "$dir/data" -w -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$dir"
    ;;
*)
    echo "usage: conformance/postgres.sh start|stop [DIR]" >&2
    exit 2
    ;;
esac
