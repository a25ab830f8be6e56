#!/bin/sh
# postgres.sh - for shell tests: a PostgreSQL of the test's own, under $dir/postgres, which ends with the test; and
# a second one that follows it. Sourced, behind world.sh. PostgreSQL does not run as root: there it gets another user.
#
# $primary is the folder of the server that takes writes, on $pg_port; $standby and $standby_port are the other one's.
# shellcheck disable=SC2154 # $dir is the test's

# shellcheck disable=SC2012 # the folders' names are versions
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=$PATH:${postgres_bin:-/usr/lib/postgresql/bin}

# need_postgres: a test without one is skipped.
need_postgres() {
    [ -z "$postgres_bin" ] || return 0
    echo "1..0 # skipped: there is no PostgreSQL (Debian: apt-get install postgresql)"
    exit 0
}

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

# make_server FOLDER [SETTING...]: an empty one, which is not started yet. The superuser's password is "secret", too.
make_server() {
    if [ ! -d "$dir/postgres" ]; then
        mkdir "$dir/postgres"
        if [ -n "$postgres_user" ]; then
            chmod 711 "$dir"
            chown "$postgres_user" "$dir/postgres"
        fi
        echo secret >"$dir/postgres/password"
    fi
    server=$dir/postgres/$1
    shift
    as_postgres initdb -D "$server" -U postgres -A scram-sha-256 --no-sync --pwfile "$dir/postgres/password" -E UTF8 \
        --locale C >"$dir/initdb.log" 2>&1 || return 1
    {
        echo "listen_addresses = '127.0.0.1'"
        echo "unix_socket_directories = '$dir/postgres'"
        echo 'dynamic_shared_memory_type = mmap' # nothing is left of one that is killed
        for setting; do
            echo "$setting"
        done
    } >>"$server/postgresql.conf"
}

# make_postgres: one that runs, with the user "shop" (password "secret") and its database "shop"; $pg_port.
make_postgres() {
    primary=data
    standby=
    pg_port=$(free_port)
    must make_server "$primary" 'fsync = off'
    trap 'end_postgres; end_world' EXIT
    must start_postgres
    must administer -c "create user shop password 'secret'" -c 'create database shop owner shop'
}

# postgres_url USER DATABASE
postgres_url() {
    echo "postgres://$1:secret@127.0.0.1:$pg_port/$2"
}

# make_shop: the folder of a project, in which the test is from now on, with a PostgreSQL and a broker of its own: its
# topics.conf is what is read, and LOG_URL its database.
make_shop() {
    mkdir "$dir/shop" "$dir/shop/scripts"
    cd "$dir/shop" || exit 1
    cat >topics.conf
    make_postgres
    start_broker
    LOG_URL=$(postgres_url shop shop)
    export LOG_URL
}

# start_server FOLDER PORT / stop_server FOLDER fast|immediate
start_server() {
    as_postgres pg_ctl -D "$dir/postgres/$1" -l "$dir/postgres/$1.log" -o "-p $2" -w start >"$dir/pg_ctl.log" 2>&1
}

stop_server() {
    as_postgres pg_ctl -D "$dir/postgres/$1" -m "$2" -w stop >"$dir/pg_ctl.log" 2>&1
}

start_postgres() {
    start_server "$primary" "$pg_port"
}

# stop_postgres [fast|immediate]
stop_postgres() {
    stop_server "$primary" "${1:-fast}"
}

# shellcheck disable=SC2317 # called by the trap
end_postgres() {
    for server in $primary $standby; do
        stop_server "$server" immediate
    done
}

# query STATEMENT...: what the database "shop" answers, bare.
query() {
    psql -X -A -t -q "$(postgres_url shop shop)" -c "$1"
}

# administer OPTION...: psql as the superuser, whose commits wait for no standby.
administer() {
    PGOPTIONS='-c synchronous_commit=local' psql -X -A -t -q "$(postgres_url postgres postgres)" "$@"
}

# ---- a standby ----

# make_standby: a new copy of the primary, which follows it.
make_standby() {
    standby=${standby:-standby}
    standby_port=${standby_port:-$(free_port)}
    rm -rf "$dir/postgres/$standby"
    as_postgres pg_basebackup -D "$dir/postgres/$standby" -d "$(postgres_url postgres postgres)" -R -c fast --no-sync \
        >"$dir/basebackup.log" 2>&1 && start_server "$standby" "$standby_port"
}

# wait_for_standby yes|no: whether commits do, from now on.
wait_for_standby() {
    names=
    [ "$1" = no ] || names='*'
    administer -c "ALTER SYSTEM SET synchronous_standby_names = '$names'" -c 'SELECT pg_reload_conf()' >/dev/null
}

# shellcheck disable=SC2317 # called by wait_for
standby_is() { # async|sync
    [ "$(administer -c 'SELECT sync_state FROM pg_stat_replication')" = "$1" ]
}

# hold_standby: it follows no more; what it lacks from now on it never gets.
hold_standby() {
    psql -X -q "postgres://postgres:secret@127.0.0.1:$standby_port/postgres" -c "ALTER SYSTEM SET primary_conninfo = ''" \
        -c 'SELECT pg_reload_conf()' >/dev/null && wait_for 20 standby_is ''
}

# kill_primary: as a machine is lost that it runs on: no process of it says anything more.
kill_primary() {
    pid_file=$dir/postgres/$primary/postmaster.pid
    postmaster=$(head -n 1 "$pid_file")
    kill -STOP "$postmaster"
    # shellcheck disable=SC2046 # several
    kill -9 $(pgrep -P "$postmaster") "$postmaster"
    ipcrm -m "$(awk 'NR == 7 { print $2 }' "$pid_file")" # nobody comes back for it
}

# promote_standby: it is the primary from now on. The one before is down; make_standby puts a new copy in its place.
promote_standby() {
    as_postgres pg_ctl -D "$dir/postgres/$standby" -w promote >"$dir/pg_ctl.log" 2>&1 || return 1
    set -- "$primary" "$pg_port"
    primary=$standby pg_port=$standby_port
    standby=$1 standby_port=$2
}
