-- log_aggregator_test.lua - the tests of the service "logs". A test begins at midnight, 2026-01-01 UTC.

local t = test.handler("logs")

test("a line goes into the file of its day, with its time, level and app", function()
  t:send("logs/shop/error", "disk\tfull")
  test.equal(t:file("logs-2026-01-01.log"), "2026-01-01T00:00:00Z error shop disk full\n")
end)

test("lines are counted by level and minute", function()
  t:send("logs/shop/error", "one")
  t:send("logs/till/error", "two")
  t:send("logs/shop/info", "hello")
  t:advance("1m")
  t:send("logs/shop/error", "three")
  for _, expected in ipairs {{"00:00Z", 1}, {"00:00Z", 2}, {"00:01Z", 1}} do
    t:published("logs-per-minute/error",
      {minute = "2026-01-01T" .. expected[1], level = "error", count = expected[2]})
  end
  assert(t:published("logs-per-minute/info").retain, "whoever comes later sees the last count")
end)

test("a count goes away when nobody looks any more", function()
  t:send("logs/shop/error", "one")
  t:advance("61m")
  test.equal(t:state("error", "count/2026-01-01T00:00Z"), nil)
end)

test("a topic that is not logs/<app>/<level> is a dead letter", function()
  t:send("logs/shop/error/deep", "x")
  t:dead_letter("a log line goes to logs/<app>/<level>")
end)
