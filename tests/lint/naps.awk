# naps - no sleeps in tests: they wait for a condition, because a nap is too short on a slow machine
# and too long on every other. Helpers that poll stand in tests/support/ and may nap between two
# looks; the benchmark and the demo keep a pace, which is no waiting.

function nap() {
    refuse(FNR, "a test naps; wait for the condition instead, with a helper of tests/support/")
}

/^[ \t]*(#|\/?\*|\/\/|--)/ { # a comment
    next
}

# zing.sleep in a handler under test is no nap of the test.
/(^|[^A-Za-z0-9_.])(sleep|usleep|nanosleep|clock_nanosleep|uv_sleep)[ \t]*\(/ {
    nap()
}

FILENAME ~ /\.sh$/ && /(^|[^A-Za-z0-9_.\/-])sleep[ \t]+[0-9.$"]/ {
    nap()
}
