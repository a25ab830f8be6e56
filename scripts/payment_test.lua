-- payment_test.lua - the tests of the service "payments": charges and refunds at a gateway that is
-- slow, overloaded or away, and never charges twice.

local t = test.handler("payments")

local CHARGES, REFUNDS = "/v1/charges", "/v1/refunds"
local succeeded = {status = 200, json = {id = "ch_1", status = "succeeded"}}

local request = {booking_id = "b-1", event_id = "jazz", seat = "A1", user = "ada", amount = 4200, currency = "eur"}

local function refund()
  return {booking_id = "b-1", event_id = "jazz", seat = "A1", charge_id = "ch_1", reason = "hold expired"}
end

test("a held seat is charged under the booking's key", function()
  t:http("POST", CHARGES, succeeded)
  t:send("booking/seat-locked", request)
  local call = t:called("POST", CHARGES)
  test.equal(call.key, "charge-b-1")
  test.equal(call.form, test.like {amount = "4200", source = "ada", ["metadata[booking_id]"] = "b-1"})
  t:published("booking/paid", test.like {charge_id = "ch_1"})
end)

test("a declined card is final", function()
  t:http("POST", CHARGES, {status = 402})
  t:send("booking/seat-locked", request)
  t:advance("10m")
  t:published("booking/payment-failed", test.like {reason = "payment declined"})
  t:called("POST", CHARGES)
  t:not_called("POST", CHARGES)
end)

test("a gateway that fails is asked again, under the same key", function()
  t:http("POST", CHARGES, {status = 503}, test.connection_lost, succeeded)
  t:send("booking/seat-locked", request)
  t:not_published("booking/paid")
  t:advance("1m")
  for _ = 1, 3 do test.equal(t:called("POST", CHARGES).key, "charge-b-1") end
  t:published("booking/paid", test.like {charge_id = "ch_1"})
end)

test("a gateway that is overloaded is left alone for as long as it asks", function()
  t:http("POST", CHARGES, {status = 429, headers = {["Retry-After"] = "30"}}, succeeded)
  t:send("booking/seat-locked", request)
  t:advance("20s")
  t:not_published("booking/paid")
  t:advance("20s")
  t:published("booking/paid")
end)

test("a payment that fails for good is answered, and what the gateway may hold is given back", function()
  t:http("POST", CHARGES, test.no_answer)
  t:http("GET", "/v1/charges/search", {json = {data = {{id = "ch_1", status = "succeeded"}}}})
  t:http("POST", REFUNDS, {status = 200})
  t:send("booking/seat-locked", request)
  t:advance("1h")
  t:published("booking/payment-failed", test.like {reason = "payment failed"})
  t:dead_letter("gave up after")
  t:published("booking/refund", test.like {charge_id = "ch_1"})
  test.equal(t:called("POST", REFUNDS).form, {charge = "ch_1"})
end)

test("a charge that comes too late is not made", function()
  local late = {hold_until = t:now() - 1}
  for name, value in pairs(request) do late[name] = value end
  t:send("booking/seat-locked", late)
  t:published("booking/payment-failed", test.like {reason = "hold expired"})
end)

test("money goes back once", function()
  t:http("POST", REFUNDS, {status = 500}, {status = 400, body = "charge_already_refunded"})
  t:send("booking/refund", refund())
  t:advance("1m")
  t:no_dead_letter()
end)

test("a refund that the gateway refuses waits for a person", function()
  t:http("POST", REFUNDS, {status = 404, body = "no such charge"})
  t:send("booking/refund", refund())
  t:dead_letter("404 no such charge")
  test.equal(t:file("dead-letters-payments.log"):find("404 no such charge", 1, true) ~= nil, true)
end)
