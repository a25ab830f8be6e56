-- dlq_test.lua - the tests of the policies that several services share: retry.lua and dlq.lua.

local t = test.services {"payments", "emails", vars = {gateway_url = "http://gateway.example"}}

local refund = {booking_id = "b-1", event_id = "jazz", seat = "A1", charge_id = "ch_1", reason = "hold expired"}

test("a mail on request is given up within a minute", function()
  t:mail({status = 451, body = "4.7.1 try later"})
  t:send("email/send", {to = "ada@example.org", subject = "Hello", text = "..."})
  t:advance("1m")
  t:dead_letter("gave up after")
end)

test("a refund is tried for hours", function()
  t:http("POST", "http://gateway.example/v1/refunds", {status = 503})
  t:send("booking/refund", refund)
  t:advance("3h")
  t:no_dead_letter()
end)

test("each dead letter is a line in a file", function()
  t:send("email/send", {to = "nobody", subject = "Hello", text = "..."})
  t:dead_letter("to is not an address")
  local line = t:file("dead-letters-emails.log")
  assert(line:find("^2026%-01%-01T00:00:00Z emails email/send "), line)
end)

test("dead letters of several services do not hinder each other", function()
  t:send("email/send", {to = "nobody", subject = "Hello", text = "..."})
  t:dead_letter("to is not an address")
  t:http("POST", "http://gateway.example/v1/refunds", {status = 404, body = "no such charge"})
  t:send("booking/refund", refund)
  t:dead_letter("404 no such charge")
  assert(t:file("dead-letters-payments.log"):find("no such charge", 1, true))
end)
