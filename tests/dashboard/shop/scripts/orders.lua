-- orders.lua - takes an order, or says why not.
return function(event)
  local order = event.json
  if type(order.amount) ~= "number" or order.amount <= 0 then
    zing.reject("an order must cost something, this one costs " .. tostring(order.amount))
  end
  zing.state.incr("orders")
  zing.publish("shop/accepted", order)
end
