-- booking_saga_test.lua - the tests of the services "orders" and "stock": a booking as one saga. What
-- the one publishes the other gets, as from the broker.

local t = test.services {"orders", "stock"}
local orders, stock = t:service("orders"), t:service("stock")

local CHARGES, REFUNDS = "/v1/charges", "/v1/refunds"
local succeeded = {json = {id = "ch_1", status = "succeeded"}}

local function order(id)
  return {
    booking_id = id, event_id = "jazz", seat = "A1", user = "ada", email = "ada@example.org",
    amount = 4200, currency = "eur",
  }
end

local function rejected(id, reason)
  return {booking_id = id, event_id = "jazz", seat = "A1", reason = reason}
end

test("a seat that is free and paid is sold, and a mail asked for", function()
  t:http("POST", CHARGES, succeeded)
  t:send("order/request", order("b-1"))
  t:published("order/confirmed/b-1", {booking_id = "b-1", event_id = "jazz", seat = "A1", charge_id = "ch_1"})
  t:published("email/send", test.like {to = "ada@example.org"})
  test.equal(stock:state("jazz", "sold/A1"), "b-1")
end)

test("a seat that somebody holds is refused, and nothing charged", function()
  t:http("POST", CHARGES, {status = 202, json = {id = "ch_1", status = "pending"}})
  t:send("order/request", order("b-1"))
  t:called("POST", CHARGES)
  t:send("order/request", order("b-2"))
  t:published("order/rejected/b-2", rejected("b-2", "seat taken"))
  t:not_called("POST", CHARGES)
  test.equal(stock:lock("jazz", "A1").owner, "b-1")
end)

test("a declined card frees the seat", function()
  t:http("POST", CHARGES, {status = 402})
  t:send("order/request", order("b-1"))
  t:published("order/rejected/b-1", rejected("b-1", "payment declined"))
  test.equal(stock:lock("jazz", "A1"), nil)
  t:not_called("POST", REFUNDS)
end)

test("a payment that is pending waits for the gateway's webhook", function()
  t:http("POST", CHARGES, {status = 202, json = {id = "ch_1", status = "pending"}})
  t:send("order/request", order("b-1"))
  t:advance("9m")
  t:not_published("order/confirmed/b-1")
  orders:signal("b-1", "paid", {id = "ch_1"})
  t:published("order/confirmed/b-1", test.like {charge_id = "ch_1"})
end)

test("a payment that does not come is given back, and the seat is free again", function()
  t:http("POST", CHARGES, {status = 202, json = {id = "ch_1", status = "pending"}})
  t:http("POST", REFUNDS, {status = 503}, {status = 200})
  t:send("order/request", order("b-1"))
  t:advance("1h")
  t:published("order/rejected/b-1", rejected("b-1", "payment failed"))
  test.equal(t:called("POST", REFUNDS).form, {charge = "ch_1"})
  test.equal(stock:lock("jazz", "A1"), nil)
end)

test("an order that comes again is answered once", function()
  t:http("POST", CHARGES, succeeded)
  t:send("order/request", order("b-1"))
  t:send("order/request", order("b-1"), {idempotency_key = "another"})
  t:published("order/confirmed/b-1")
  t:not_published("order/confirmed/b-1")
end)
