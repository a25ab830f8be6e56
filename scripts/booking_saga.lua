-- booking_saga.lua - the service "orders": a booking as one saga, from the seat to the ticket.
--
-- The same business as seat_lock.lua, payment.lua and email.lua, told in one place: where those three
-- pass messages to one another, this one says what comes after what, and what is undone when it goes
-- wrong. docs/booking.md compares the two.
--
-- Its key is the booking. The seats of a concert are one key of another service, "stock"
-- (seat_stock.lua), because order and state belong to a key; it is asked by a message and answers by
-- a signal.
--
--   hold ─▶ seat ─▶ charge ─▶ (webhook) ─▶ sell ─▶ order/confirmed/<booking>, a mail
--    │               │
--    └─ free         └─ refund                     order/rejected/<booking>

local orders = {}

local ANSWER_WITHIN = "1m"                              -- what stock has to answer in
local PAY_WITHIN = zing.config.payment_wait or "10m"    -- what a buyer has to pay in

-- Reasons that a buyer is told; anything else is "payment failed".
local reasons = {
  ["seat taken"] = true, ["payment declined"] = true, ["hold expired"] = true, ["cancelled"] = true,
  ["invalid"] = true,
}

local function check(order)
  for _, field in ipairs {"event_id", "seat", "user", "email", "currency"} do
    if type(order[field]) ~= "string" or order[field] == "" then zing.reject("invalid") end
  end
  if math.type(order.amount) ~= "integer" or order.amount < 1 then zing.reject("invalid") end
end

local function tell_stock(what, order)
  zing.publish("order/seat/" .. what, {
    booking_id = order.booking_id, event_id = order.event_id, seat = order.seat,
  })
end

-- ---- the gateway ----------------------------------------------------------------------------------

-- The charge, or nil when the card is declined. One key for all tries, whoever makes them: the gateway
-- answers what it answered before.
local function post_charge(order)
  local answer = zing.http.post(zing.config.gateway_url .. "/v1/charges", {
    form = {
      amount = order.amount, currency = order.currency, source = order.source or order.user,
      metadata = {booking_id = order.booking_id},
    },
    headers = {["Idempotency-Key"] = "order-" .. order.booking_id},
  })
  if answer.status == 402 then
    return nil
  elseif answer.status ~= 200 and answer.status ~= 202 then
    error("the payment gateway answered " .. answer.status, 0)
  end
  local charge = answer.json()
  return {id = charge.id, status = charge.status}
end

-- Of a charge whose outcome is unknown the gateway is asked under its old key: it names the one it
-- made, or makes one, which goes back like the other.
local function refund(order, charge)
  charge = charge or post_charge(order)
  if not charge then return end -- it was declined
  local answer = zing.http.post(zing.config.gateway_url .. "/v1/refunds", {form = {charge = charge.id}})
  local done = answer.status == 200 or answer.body:find("charge_already_refunded", 1, true)
  if not done then error("the payment gateway answered " .. answer.status, 0) end
end

-- ---- the saga -------------------------------------------------------------------------------------

orders["order/request"] = function(event)
  local order = event.json
  check(order)
  local saga = zing.saga()

  saga:step("hold", function() tell_stock("hold", order) end,
                    function() tell_stock("free", order) end)
  local seat = zing.wait("seat", ANSWER_WITHIN)
  if not seat then error("stock does not answer", 0) end
  if not seat.held then zing.reject("seat taken") end

  local charge = saga:step("charge", function()
    return post_charge(order) or zing.reject("payment declined")
  end, function(charge) refund(order, charge) end)
  if charge.status == "pending" and not zing.wait("paid", PAY_WITHIN) then
    zing.reject("payment failed")
  end

  zing.step("sell", function() tell_stock("sell", order) end)
  local sold = zing.wait("sold", ANSWER_WITHIN)
  if not sold then error("stock does not answer", 0) end
  if not sold.sold then zing.reject("hold expired") end -- it took too long to pay

  zing.publish("order/confirmed/" .. order.booking_id, {
    booking_id = order.booking_id, event_id = order.event_id, seat = order.seat,
    charge_id = charge.id,
  })
  zing.publish("email/send", {
    to = order.email, subject = "Your seat " .. order.seat,
    text = ("Seat %s of %s is yours. Booking %s.\n"):format(order.seat, order.event_id,
      order.booking_id),
  })
end

-- Called when all is undone, and when something could not be: the buyer is told once.
function orders.on_dead(event, reason)
  local ok, order = pcall(zing.json.decode, event.payload)
  if not ok or type(order) ~= "table" or zing.state.get("answered") then return end
  reason = reason:match("[^\n]*")
  if reason == "cancelled by an operator" then reason = "cancelled" end
  zing.state.set("answered", true, {ttl = "7d"})
  zing.publish("order/rejected/" .. event.key, {
    booking_id = order.booking_id, event_id = order.event_id, seat = order.seat,
    reason = reasons[reason] and reason or "payment failed",
  })
end

return orders
