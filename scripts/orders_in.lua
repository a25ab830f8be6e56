-- orders_in.lua - the service "warehouse": a consumer whose input is sometimes wrong, and what becomes
-- of that: dead letters, looked at, mended and replayed by a person.
--
--   practice/order   {"sku": "A-1", "count": 2}   stock is counted in state, by sku
--
-- zing.reject is for what no retry can mend: the event is a dead letter at once, with the reason.

local warehouse = {}

warehouse["practice/order"] = function(event)
  local order = event.json
  if math.type(order.count) ~= "integer" or order.count < 1 then
    zing.reject("count must be a whole number from 1, not " .. tostring(order.count))
  end
  local total = zing.state.incr("ordered", order.count)
  zing.publish("practice/ordered/" .. event.key, {sku = event.key, ordered = total})
end

-- Told of each dead letter: an alert, a ticket, a line in a file.
function warehouse.on_dead(event, reason)
  zing.append("rejected-orders.log", ("%s: %s"):format(event.id, reason:match("[^\n]*")))
end

return warehouse
