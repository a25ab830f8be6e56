-- saga.lua - a charge that is given back when what follows cannot be done: every third time.
local charge = require("charge")

local function refund(id)
  local answer = zing.http.post(zing.config.gateway_url .. "/v1/refunds", {form = {charge = id}, timeout = "5s"})
  if answer.status ~= 200 then error("the gateway says " .. answer.status, 0) end
end

local sagas = {}

sagas["chaos/in/saga"] = function(event)
  local booking = event.json.id
  local saga = zing.saga()
  local id = saga:step("charge", function() return charge(booking) end, refund)
  saga:step("ship", function()
    if event.json.n % 3 == 0 then zing.reject("sold out") end
    return true
  end)
  zing.publish("chaos/out/saga", {id = booking, charge = id})
end

function sagas.on_dead(event, reason)
  zing.publish("chaos/out/saga", {id = zing.json.decode(event.payload).id, reason = reason})
end

return sagas
