#!/bin/sh
# postgres.sh - for shell tests: a PostgreSQL of the test's own, under $dir/postgres, which ends with the test.
# Sourced, behind world.sh. PostgreSQL does not run as root: there it gets another user.
# shellcheck disable=SC2154 # $dir is the test's

# shellcheck disable=SC2012 # the folders' names are versions
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=$PATH:${postgres_bin:-/usr/lib/postgresql/bin}

postgres_user=
if [ "$(id -u)" -eq 0 ]; then
    postgres_user=$(id -un postgres 2>/dev/null || echo nobody)
fi

# as_postgres COMMAND...: by the user that the server runs as.
as_postgres() {
    if [ -n "$postgres_user" ]; then
        (cd "$dir/postgres" && setpriv --reuid "$postgres_user" --regid "$(id -g "$postgres_user")" --clear-groups "$@")
    else
        "$@"
    fi
}

# make_postgres: an empty one, with the user "shop" (password "secret") and its database "shop"; $pg_port.
make_postgres() {
    mkdir "$dir/postgres"
    if [ -n "$postgres_user" ]; then
        chmod 711 "$dir"
        chown "$postgres_user" "$dir/postgres"
    fi
    echo secret >"$dir/postgres/password"
    pg_port=$(free_port)
    must as_postgres initdb -D "$dir/postgres/data" -U postgres -A scram-sha-256 --no-sync \
        --pwfile "$dir/postgres/password" -E UTF8 --locale C >"$dir/initdb.log" 2>&1
    cat >>"$dir/postgres/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir/postgres'
port = $pg_port
fsync = off
END
    trap 'stop_postgres immediate; end_world' EXIT
    must start_postgres
    must psql -X -q "$(postgres_url postgres postgres)" -c "create user shop password 'secret'" -c 'create database shop owner shop'
}

# postgres_url USER DATABASE
postgres_url() {
    echo "postgres://$1:secret@127.0.0.1:$pg_port/$2"
}

start_postgres() {
    as_postgres pg_ctl -D "$dir/postgres/data" -l "$dir/postgres/log" -w start >"$dir/pg_ctl.log" 2>&1
}

# stop_postgres [fast|immediate]
stop_postgres() {
    as_postgres pg_ctl -D "$dir/postgres/data" -m "${1:-fast}" -w stop >"$dir/pg_ctl.log" 2>&1
}

# query STATEMENT...: what the database "shop" answers, bare.
query() {
    psql -X -A -t -q "$(postgres_url shop shop)" -c "$1"
}
