-- pay.lua - a booking with its payment.
local charge = require("charge")

return function(event)
  local booking = event.json.id
  zing.publish("chaos/out/pay", {id = booking, paid = charge(booking) ~= nil})
end
