-- charge.lua - one charge for the booking. Its Idempotency-Key is made by the host, of the event: an event that is handled
-- twice under the same id is charged once, and one that became two is charged twice, as the gateway's books then say.

-- The charge's id, or nil if the card is declined.
return function(booking, source)
  local answer = zing.http.post(zing.config.gateway_url .. "/v1/charges", {
    form = {amount = 4200, currency = "eur", source = source or booking, metadata = {booking_id = booking}},
    timeout = "5s",
  })
  if answer.status == 402 then return nil end
  if answer.status ~= 200 then error("the gateway says " .. answer.status, 0) end
  return answer.json().id
end
