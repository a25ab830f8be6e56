-- seat_lock_test.lua - the tests of the service "seats": who gets which seat.

local t = test.handler("seats")

local function request(id, more)
  local r = {
    booking_id = id, event_id = "jazz", seat = "A1", user = "ada", email = "ada@example.org",
    amount = 4200, currency = "eur",
  }
  for name, value in pairs(more or {}) do r[name] = value end
  return r
end

local function answer(id, more)
  local a = {booking_id = id, event_id = "jazz", seat = "A1"}
  for name, value in pairs(more) do a[name] = value end
  return a
end

test("a free seat is held, and its payment asked for", function()
  t:send("booking/request", request("b-1"))
  t:published("booking/seat-locked", test.like {booking_id = "b-1", seat = "A1", amount = 4200})
  test.equal(t:lock("jazz", "A1").owner, "b-1")
end)

test("a seat that is held is refused to anyone else", function()
  t:send("booking/request", request("b-1"))
  t:send("booking/request", request("b-2"))
  t:published("booking/rejected/b-2", answer("b-2", {reason = "seat taken"}))
  t:not_published("booking/rejected/b-1")
end)

test("a seat that is paid is sold, and the buyer told once", function()
  t:send("booking/request", request("b-1"))
  t:send("booking/paid", request("b-1", {charge_id = "ch_1"}))
  t:send("booking/paid", request("b-1", {charge_id = "ch_1"}), {idempotency_key = "told twice"})
  t:published("booking/confirmed/b-1", answer("b-1", {charge_id = "ch_1"}))
  t:not_published("booking/confirmed/b-1")
  t:published("booking/sold", test.like {charge_id = "ch_1"})
  test.equal(t:state("jazz", "sold/A1"), "b-1")
  test.equal(t:lock("jazz", "A1"), nil)
end)

test("a hold that is not paid runs out, and the seat is free again", function()
  t:send("booking/request", request("b-1"))
  t:advance("10m")
  t:published("booking/rejected/b-1", answer("b-1", {reason = "hold expired"}))
  t:dead_letter("hold expired")
  t:send("booking/request", request("b-2"))
  test.equal(t:lock("jazz", "A1").owner, "b-2")
end)

test("money that comes after the hold ran out goes back", function()
  t:send("booking/request", request("b-1"))
  t:advance("10m")
  t:send("booking/paid", request("b-1", {charge_id = "ch_1"}))
  t:published("booking/refund", test.like {charge_id = "ch_1", reason = "hold expired"})
  t:not_published("booking/confirmed/b-1")
end)

test("a declined payment frees the seat", function()
  t:send("booking/request", request("b-1"))
  t:send("booking/payment-failed", request("b-1", {reason = "payment declined"}))
  t:published("booking/rejected/b-1", answer("b-1", {reason = "payment declined"}))
  test.equal(t:lock("jazz", "A1"), nil)
end)

test("a cancelled booking frees the seat", function()
  t:send("booking/request", request("b-1"))
  t:send("booking/cancel", {booking_id = "b-1", event_id = "jazz", seat = "A1"})
  t:published("booking/rejected/b-1", answer("b-1", {reason = "cancelled"}))
  test.equal(t:lock("jazz", "A1"), nil)
end)

test("a request with a wrong field is answered, one without a booking is a dead letter", function()
  t:send("booking/request", request("b-1", {amount = "42"}))
  t:published("booking/rejected/b-1", answer("b-1", {reason = "invalid"}))
  t:send("booking/request", request("b/1"))
  t:dead_letter("a request needs a booking_id")
end)
