#!/bin/sh
# monitoring.sh - what stands in docker/ is right: GET /metrics in the eyes of Prometheus, the alert
# rules, the dashboard, the broker's configuration. No container is started.
#
# ctest: timeout=120
set -u
: "${ZINGQ:?the program}" "${SOURCE_DIR:?the repository}" "${PYTHON:?a python3}"
# shellcheck source=tests/support/world.sh
. "$SOURCE_DIR/tests/support/world.sh"

build=$(dirname "$ZINGQ")
docker=$SOURCE_DIR/docker

skip() {
    count=$((count + 1))
    echo "ok $count # skipped: $1 ($2)"
}

used() {
    "$PYTHON" "$SOURCE_DIR/tests/support/metrics_used.py" "$@"
}

# ok_promtool SENTENCE COMMAND...: the same, where there is a promtool.
ok_promtool() {
    if command -v promtool >/dev/null; then
        ok "$@"
    else
        skip "$1" "no promtool here; Debian: apt-get install prometheus"
    fi
}

fetch_metrics() {
    curl -fsS "http://127.0.0.1:$http_port/metrics" >"$dir/metrics"
}

broker_is_known() {
    fetch_metrics && grep -q '^zingq_broker_dropped ' "$dir/metrics"
}

metrics_are_sound() {
    promtool check metrics <"$dir/metrics"
}

all_are_there() {
    used names "$docker/grafana/dashboards/zingq.json" "$docker/prometheus/zingq-rules.yml" \
        "$docker/prometheus/zingq-rules-test.yml" | sort -u | while read -r name; do
        grep -q "^# TYPE $name " "$dir/metrics" || echo "GET /metrics has no $name"
    done >"$dir/absent"
    cat "$dir/absent"
    [ ! -s "$dir/absent" ]
}

queries_are_sound() {
    # shellcheck disable=SC2016 # Grafana's variables
    used exprs "$docker/grafana/dashboards/zingq.json" |
        sed 's/\$instance/.*/g; s/\$service/.*/g' >"$dir/queries.yml" &&
        promtool check rules "$dir/queries.yml"
}

# The broker of the containers, as its entry point starts it, on a port and in a folder of ours.
start_docker_broker() {
    port=$(free_port)
    sed -e "s|^listener 1883|listener $port 127.0.0.1|" -e "s|/run/mosquitto|$dir|" \
        -e "s|/var/lib/mosquitto|$dir|" -e "s|/usr/lib/zingq/zingq_sys.so|$build/zingq_sys.so|" \
        "$docker/mosquitto/mosquitto.conf" >"$dir/mosquitto.conf"
    echo 'user root' >>"$dir/mosquitto.conf"
    [ -f "$build/zingq_sys.so" ] || {
        sed '/^plugin/d' "$dir/mosquitto.conf" >"$dir/plain.conf"
        mv "$dir/plain.conf" "$dir/mosquitto.conf"
    }
    ZINGQ_PASSWORD=one APP_PASSWORD=two PASSWORDS=$dir/passwords CONF=$dir/mosquitto.conf \
        sh "$docker/mosquitto/entrypoint.sh" >"$dir/broker.log" 2>&1 &
    broker=$!
    wait_for 10 mosquitto_pub -p "$port" -u app -P two -q 1 -t any/thing -m x || {
        cat "$dir/broker.log"
        return 1
    }
}

nobody_without_a_name() {
    ! mosquitto_pub -p "$port" -q 1 -t any/thing -m x
}

start_host() {
    http_port=$(free_port)
    ZINGQ_BROKER_URL=mqtt://127.0.0.1:$port ZINGQ_BROKER_USERNAME=zingq ZINGQ_BROKER_PASSWORD=one \
        ZINGQ_STORE_PATH=$dir/data ZINGQ_HTTP_LISTEN=127.0.0.1:$http_port \
        "$ZINGQ" run -c "$SOURCE_DIR/topics.conf" >"$dir/host.log" 2>&1 &
    host=$!
    wait_for 20 broker_is_known || {
        cat "$dir/host.log"
        return 1
    }
}

turns() { # [OPTION]
    "$ZINGQ" status --turns "$@" -c "$SOURCE_DIR/topics.conf" --data "$dir/data"
}

# Every phase has its line, and a publish of a moment ago is counted.
turns_are_shown() {
    "$ZINGQ" publish any/thing x -c "$SOURCE_DIR/topics.conf" --data "$dir/data" >/dev/null &&
        turns >"$dir/turns" && turns --json >"$dir/turns.json" || return 1
    for phase in idle other collect decide commit send; do
        grep -q "^$phase " "$dir/turns" &&
            grep -q "^zingq_turn_seconds_total{phase=\"$phase\"} " "$dir/metrics" || return 1
    done
    grep -q '"publishes": *[1-9]' "$dir/turns.json"
}

turns_need_a_host() {
    ! "$ZINGQ" status --turns -c "$SOURCE_DIR/topics.conf" --data "$dir" 2>"$dir/none" &&
        grep -q "no host is running" "$dir/none"
}

ok "the broker of the containers starts with its configuration and lets the user app in" start_docker_broker
ok "and lets nobody in without a name" nobody_without_a_name
ok "a host says what the broker drops" start_host
ok "status --turns says where the last seconds went" turns_are_shown
ok "and without a host says that there is none" turns_need_a_host
ok_promtool "Prometheus finds nothing wrong with GET /metrics" metrics_are_sound
ok "every metric that the rules and the dashboard name is there" all_are_there
ok_promtool "the alert rules are right" promtool check rules "$docker/prometheus/zingq-rules.yml"
ok_promtool "the alerts fire when they should" \
    promtool test rules "$docker/prometheus/zingq-rules-test.yml"
ok_promtool "the configuration of Prometheus is right" \
    promtool check config --syntax-only "$docker/prometheus/prometheus.yml"
ok_promtool "the queries of the dashboard are right" queries_are_sound
if "$PYTHON" -c 'import yaml' 2>/dev/null; then
    ok "the compose file and Grafana's are YAML" used yaml "$docker/docker-compose.yml" \
        "$docker/grafana/provisioning/datasources/prometheus.yml" \
        "$docker/grafana/provisioning/dashboards/zingq.yml"
else
    skip "the compose file and Grafana's are YAML" "no yaml module; Debian: apt-get install python3-yaml"
fi

echo "1..$count"
[ "$failed" -eq 0 ]
