-- seat_lock.lua - the service "seats": who gets which seat.
--
-- Its key is the concert (event_id), so everything below runs one event at a time for one concert,
-- in the order of arrival, and sees only that concert's state and locks:
--
--   lock  <seat>              held by a booking until it pays; data: the request
--   state sold/<seat>         the booking that bought it
--   state answer/<booking>    how the booking was answered: an answer is given once, ever
--
--   request ─▶ held ─▶ paid ─────────────────▶ sold      booking/confirmed/<booking>
--                 ├──▶ payment failed ───────▶ free   ┐
--                 ├──▶ cancelled ────────────▶ free   ├  booking/rejected/<booking>
--                 └──▶ the hold ran out ─────▶ free   ┘
--
-- Two rules keep it honest. Whoever was answered is not answered again: answer/<booking> is written
-- together with the answer. And money that comes for a booking that is not sold goes back: the seat
-- may be somebody else's by then.

local seats = {}

-- ---- what a request must look like ----------------------------------------------------------------

local function is_text(value, longest)
  return type(value) == "string" and #value > 0 and #value <= longest and not value:find("%c")
end

-- The booking's id as text, or nil. It becomes a level of a topic, so it may not contain / + #.
local function booking_of(message)
  local id = type(message) == "table" and message.booking_id or nil
  if math.type(id) == "integer" then
    id = tostring(id)
  end
  if is_text(id, 100) and id:find("^[%w%-_.:~@]+$") then
    return id
  end
end

-- The name of the first field that is wrong, or nil.
local function flaw_of(request)
  if not is_text(request.seat, 100) then return "seat" end
  if not is_text(request.user, 200) then return "user" end
  if not is_text(request.email, 254) or not request.email:find("^[^%s@]+@[^%s@]+$") then
    return "email"
  end
  if math.type(request.amount) ~= "integer" or request.amount < 1 then return "amount" end
  if not is_text(request.currency, 3) or not request.currency:find("^%a%a%a$") then
    return "currency"
  end
end

-- A message about a booking from another service: its booking and seat, or the end of the event.
local function booking_and_seat(message)
  local booking = booking_of(message)
  if not booking or not is_text(message.seat, 100) then
    zing.reject("the message needs a booking_id and a seat")
  end
  return booking, message.seat
end

-- ---- answers --------------------------------------------------------------------------------------

local function answer_of(booking)
  return zing.state.get("answer/" .. booking)
end

local function confirm(booking, request, charge_id)
  zing.state.set("answer/" .. booking, {answer = "confirmed", charge_id = charge_id})
  zing.publish("booking/confirmed/" .. booking, {
    booking_id = request.booking_id, event_id = request.event_id, seat = request.seat,
    charge_id = charge_id,
  })
end

local function reject(booking, request, reason)
  zing.state.set("answer/" .. booking, {answer = "rejected", reason = reason})
  zing.publish("booking/rejected/" .. booking, {
    booking_id = request.booking_id, event_id = request.event_id, seat = request.seat,
    reason = reason,
  })
end

-- The hold ran out: kept among the dead letters, so that someone can see how many seats were nearly
-- sold, and to whom.
local function expire(booking, request)
  zing.dead_letter(request, "hold expired")
  reject(booking, request, "hold expired")
end

-- A copy of `message` with some fields more.
local function with(message, more)
  local copy = {}
  for name, value in pairs(message) do copy[name] = value end
  for name, value in pairs(more) do copy[name] = value end
  return copy
end

-- ---- the life of a booking ------------------------------------------------------------------------

seats["booking/request"] = function(event)
  local request = event.json
  local booking = booking_of(request)
  if not booking then
    zing.reject("a request needs a booking_id of letters, digits and - _ . : ~ @")
  end
  if answer_of(booking) then
    return -- sent again, after the idempotency window
  end
  local flaw = flaw_of(request)
  if flaw then
    zing.log.warn("invalid booking request", {booking = booking, field = flaw})
    return reject(booking, request, "invalid")
  end
  local seat = request.seat
  if zing.lock_owner(seat) == booking then
    return -- holds it already: the payment is under way
  end
  if zing.state.get("sold/" .. seat)
    or not zing.lock(seat, {owner = booking, ttl = zing.config.hold or "10m", data = request}) then
    return reject(booking, request, "seat taken")
  end
  local _, seconds_left = zing.lock_owner(seat)
  zing.publish("booking/seat-locked", with(request, {hold_until = zing.now() + seconds_left}))
end

seats["booking/paid"] = function(event)
  local paid = event.json
  local booking, seat = booking_and_seat(paid)
  if not is_text(paid.charge_id, 200) then
    zing.reject("a payment needs a charge_id")
  end
  local answer = answer_of(booking)
  if answer and answer.charge_id == paid.charge_id then
    return -- told twice
  end
  local owner, _, request = zing.lock_owner(seat)
  if answer or owner ~= booking then
    -- The hold ran out or was cancelled while the payment was under way. The buyer knows already;
    -- what is left to do is to give the money back.
    if not answer then
      reject(booking, paid, "hold expired")
    end
    local reason = answer and answer.reason or "hold expired"
    zing.publish("booking/refund", with(paid, {reason = reason}))
    return
  end
  zing.unlock(seat, booking)
  zing.state.set("sold/" .. seat, booking)
  confirm(booking, request, paid.charge_id)
  zing.publish("booking/sold", with(request, {charge_id = paid.charge_id}))
end

-- The reasons that payments may give; anything else is called "payment failed".
local payment_reasons = {["payment declined"] = true, ["hold expired"] = true}

seats["booking/payment-failed"] = function(event)
  local failed = event.json
  local booking, seat = booking_and_seat(failed)
  if answer_of(booking) then
    return
  end
  zing.unlock(seat, booking) -- does nothing when the seat is not (or no longer) theirs
  local reason = payment_reasons[failed.reason] and failed.reason or "payment failed"
  if reason == "hold expired" then
    return expire(booking, failed) -- payments saw it a moment before the lock's own timer
  end
  reject(booking, failed, reason)
end

-- A cancellation frees a seat that is held. A seat that is sold stays sold: the buyer has been told
-- so, and giving money back then is a decision of the shop, not of a message. If the payment is just
-- under way, it finds the booking rejected when it comes, and is refunded.
seats["booking/cancel"] = function(event)
  local cancel = event.json
  local booking, seat = booking_and_seat(cancel)
  local answer = answer_of(booking)
  if answer then
    zing.log.info("cancelled too late", {booking = booking, answer = answer.answer})
    return
  end
  if not zing.unlock(seat, booking) then
    zing.log.warn("cancelled, but not known", {booking = booking, seat = seat})
    return
  end
  reject(booking, cancel, "cancelled")
end

function seats.on_lock_expired(lock)
  if not answer_of(lock.owner) then
    expire(lock.owner, lock.data)
  end
end

return seats
