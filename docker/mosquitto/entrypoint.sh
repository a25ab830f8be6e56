#!/bin/sh
# entrypoint.sh - makes the two users from the environment, then becomes the broker: zingq with
# ZINGQ_PASSWORD for the hosts, app with APP_PASSWORD for everyone else.
set -eu
: "${ZINGQ_PASSWORD:?the password of the user zingq}" "${APP_PASSWORD:?the password of the user app}"
passwords=${PASSWORDS:-/run/mosquitto/passwords}
conf=${CONF:-/etc/mosquitto/mosquitto.conf}

umask 077
printf 'zingq:%s\napp:%s\n' "$ZINGQ_PASSWORD" "$APP_PASSWORD" >"$passwords"
mosquitto_passwd -U "$passwords"
unset ZINGQ_PASSWORD APP_PASSWORD
exec mosquitto -c "$conf"
