-- booking_saga.lua - the service "orders": a booking as one saga, from the seat to the ticket.
--
-- The same business as seat_lock.lua, payment.lua and email.lua, told in one place: where those three
-- pass messages to one another, this one says what comes after what, and what is undone when it goes
-- wrong. docs/booking.md compares the two.
--
-- Its key is the booking. The seats of a concert are one key of another service, "stock"
-- (seat_stock.lua), because order and state belong to a key; it is asked by a message and answers by
-- a signal. Both are stored, so the answer comes sooner or later and is waited for without a limit: a
-- stock that is paused or away holds orders up, it fails none.
--
--   hold ─▶ seat ─▶ charge ─▶ (webhook) ─▶ sell ─▶ order/confirmed/<booking>, a mail
--    │               │
--    └─ free         └─ refund                     order/rejected/<booking>
--
--   state answer    how the booking was answered: an answer is given once, ever

local orders = {}

local PAY_WITHIN = zing.config.payment_wait or "10m"

-- Reasons that a buyer is told; anything else is "payment failed".
local reasons = {
  ["seat taken"] = true, ["payment declined"] = true, ["hold expired"] = true, ["cancelled"] = true,
  ["invalid"] = true,
}

local function is_text(value, longest)
  return type(value) == "string" and #value > 0 and #value <= longest and not value:find("%c")
end

-- Whether the event's key is the booking, as text that can be a level of a topic. A publisher may set
-- another key, and what this booking was answered is known under its own only.
local function has_booking(event, order)
  local id = order.booking_id
  if math.type(id) == "integer" then id = tostring(id) end
  return is_text(id, 100) and id:find("^[%w%-_.:~@]+$") ~= nil and id == event.key
end

local function is_valid(order)
  return is_text(order.event_id, 100) and is_text(order.seat, 100) and is_text(order.user, 200)
    and is_text(order.email, 254) and order.email:find("^[^%s@]+@[^%s@]+$")
    and math.type(order.amount) == "integer" and order.amount >= 1
    and is_text(order.currency, 3) and order.currency:find("^%a%a%a$")
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
      amount = order.amount, currency = order.currency,
      source = type(order.source) == "string" and order.source or order.user,
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
  if not has_booking(event, order) then
    zing.reject("an order needs a booking_id of letters, digits and - _ . : ~ @, which is its key")
  end
  -- An order may be replayed, or come again after the idempotency window. In a step, because the
  -- answer may be there already when the rest is undone.
  if zing.step("answered before", function() return zing.state.get("answer") end) then
    return
  end
  if not is_valid(order) then zing.reject("invalid") end
  local saga = zing.saga()

  saga:step("hold", function() tell_stock("hold", order) end,
                    function() tell_stock("free", order) end)
  if not zing.wait("seat").held then zing.reject("seat taken") end

  local charge = saga:step("charge", function()
    return post_charge(order) or zing.reject("payment declined")
  end, function(charge) refund(order, charge) end)
  if charge.status == "pending" and not zing.wait("paid", PAY_WITHIN) then
    zing.reject("payment failed")
  end

  zing.step("sell", function() tell_stock("sell", order) end)
  if not zing.wait("sold").sold then zing.reject("hold expired") end -- it took too long to pay

  zing.state.set("answer", "confirmed")
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
  if not ok or type(order) ~= "table" or not has_booking(event, order) or zing.state.get("answer") then
    return
  end
  -- Of one that could not be undone the reason it failed for stands last.
  reason = reason:match("it failed as: ([^\n]*)") or reason:match("[^\n]*")
  if reason == "cancelled by an operator" then reason = "cancelled" end
  zing.state.set("answer", "rejected")
  zing.publish("order/rejected/" .. event.key, {
    booking_id = order.booking_id, event_id = order.event_id, seat = order.seat,
    reason = reasons[reason] and reason or "payment failed",
  })
end

return orders
