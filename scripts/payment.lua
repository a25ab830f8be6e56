-- payment.lua - the service "payments": charges and refunds at a Stripe-like gateway.
--
-- Its key is the booking. Nothing is remembered here: the gateway remembers, under the keys
-- "charge-<booking>" and "refund-<booking>". However often a charge is tried, by a retry, after a
-- crash, in a replay, it is the same charge.
--
-- What a failure means:
--   402                          the card is declined: final
--   other 4xx                    our request is wrong: final, a dead letter
--   429                          too many: the whole service slows down
--   409, 5xx, no answer at all   the outcome is unknown: tried again under the same key
--
-- If it is tried in vain to the end (retry.lua says how long that is), the event becomes a dead
-- letter, and the buyer is answered "payment failed". One of the tries may have gone through all the
-- same, its answer lost on the way. So a minute later "booking/charge-unknown" asks the gateway
-- what it holds for the booking, for as long as it takes to get an answer, and gives it back.

local payments = {}

local HTTP_TIMEOUT = "10s"
-- By then the gateway has finished with the last try.
local SEARCH_AFTER = zing.config.search_after or "1m"

-- ---- the gateway ----------------------------------------------------------------------------------

-- Answers that say "not now" end the attempt here; the others are returned.
local function settled(answer)
  if answer.status == 429 then
    zing.throttle(math.min(tonumber(answer.headers["retry-after"]) or 1, 60))
  elseif answer.status == 408 or answer.status == 409 or answer.status >= 500 then
    error("the payment gateway answered " .. answer.status, 0)
  end
  return answer
end

local function post(path, key, form)
  return settled(zing.http.post(zing.config.gateway_url .. path, {
    form = form,
    headers = {["Idempotency-Key"] = key},
    timeout = HTTP_TIMEOUT,
  }))
end

local function refuse(what, answer)
  zing.reject(("the payment gateway refused %s: %d %s"):format(what, answer.status,
    answer.body:sub(1, 200)))
end

-- The id of the booking's charge, or nil when the card is declined. Every try of a booking sends the
-- same form: the gateway refuses a key that comes with another one.
local function charge(request)
  local answer = post("/v1/charges", "charge-" .. request.booking_id, {
    amount = request.amount,
    currency = request.currency,
    source = type(request.source) == "string" and request.source or request.user,
    metadata = {booking_id = request.booking_id},
  })
  if answer.status == 402 then
    return nil
  elseif answer.status ~= 200 then
    refuse("the charge", answer)
  end
  local body = answer.json()
  if body.status ~= "succeeded" then
    error("the charge is " .. tostring(body.status), 0) -- pending: ask again
  end
  return body.id
end

local function escape(text)
  return (text:gsub("[^%w%-_.~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- The id of a charge that the gateway holds for the booking, or nil. Charges nothing, if the gateway
-- can search. One that cannot is asked to charge under the old key: it then names the charge made
-- before, or makes one, which is given back like the other.
local function find_charge(request)
  local query = ("metadata['booking_id']:'%s'"):format(request.booking_id)
  local answer = settled(zing.http.get(
    zing.config.gateway_url .. "/v1/charges/search?query=" .. escape(query),
    {timeout = HTTP_TIMEOUT}))
  if answer.status == 404 or answer.status == 405 then
    return charge(request)
  elseif answer.status ~= 200 then
    refuse("the search", answer)
  end
  for _, found in ipairs(answer.json().data) do
    if found.status == "succeeded" and not found.refunded then
      return found.id
    end
  end
end

-- ---- events ---------------------------------------------------------------------------------------

-- A copy of `message` with some fields more.
local function with(message, more)
  local copy = {}
  for name, value in pairs(message) do copy[name] = value end
  for name, value in pairs(more) do copy[name] = value end
  return copy
end

local function check(request)
  if type(request) ~= "table" or request.booking_id == nil then
    zing.reject("the message needs a booking_id")
  end
  return request
end

local function fail(request, reason)
  zing.publish("booking/payment-failed", with(request, {reason = reason}))
end

local function search_later(request)
  zing.publish("booking/charge-unknown", request, {after = SEARCH_AFTER})
end

payments["booking/seat-locked"] = function(event)
  local request = check(event.json)
  if zing.now() >= (tonumber(request.hold_until) or math.huge) then
    -- The seat is no longer held. A first attempt knows that nothing has been charged; a later one
    -- does not know how the one before it ended.
    if event.attempt > 1 then
      search_later(request)
    end
    return fail(request, "hold expired")
  end
  local charge_id = charge(request)
  if charge_id then
    zing.publish("booking/paid", with(request, {charge_id = charge_id}))
  else
    fail(request, "payment declined")
  end
end

payments["booking/charge-unknown"] = function(event)
  local request = check(event.json)
  local charge_id = find_charge(request)
  if charge_id then
    zing.publish("booking/refund", with(request, {
      charge_id = charge_id, reason = "charged, but not sold",
    }))
  end
end

payments["booking/refund"] = function(event)
  local refund = check(event.json)
  local answer = post("/v1/refunds", "refund-" .. refund.booking_id, {charge = refund.charge_id})
  if answer.status == 200 then
    zing.log.info("refunded", {booking = refund.booking_id, charge = refund.charge_id})
  elseif not answer.body:find("charge_already_refunded", 1, true) then
    refuse("the refund", answer)
  end
end

-- Nobody is left without an answer: a payment that died is a payment that failed.
function payments.on_dead(event)
  if event.topic ~= "booking/seat-locked" then
    return
  end
  local ok, request = pcall(zing.json.decode, event.payload) -- it may be dead for not being JSON
  if ok and type(request) == "table" and request.booking_id ~= nil then
    fail(request, "payment failed")
    search_later(request)
  end
end

return payments
