-- seat.lua - the first buyer of a seat who can pay gets it; its key is the seat.
local charge = require("charge")

return function(event)
  local buyer = event.json.id
  local owner = zing.state.get("owner")
  if not owner and charge(buyer, event.json.source) then
    zing.state.set("owner", buyer)
    owner = buyer
  end
  zing.publish("chaos/out/seat", {id = buyer, owner = owner})
end
