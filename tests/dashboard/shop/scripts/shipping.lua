-- shipping.lua - sends what was billed. A depot sends one parcel after the other.
return function(event)
  local order = event.json
  if order.address == "nowhere" then
    error("the address of order " .. order.order .. " does not exist")
  end
  if order.depot == "night" and event.attempt == 1 then
    zing.snooze("20s")
  end
  zing.publish("shop/shipped", order)
end
