-- seat_stock.lua - the service "stock": the seats of a concert, for the saga of booking_saga.lua.
--
-- Its key is the concert (event_id): asked for by many orders at once, it answers one after the other,
-- each with a signal to the order that asked.
--
--   lock  <seat>        held by an order until it pays, or until the hold runs out
--   state sold/<seat>   the order that bought it

local stock = {}

local function answer(order, name, value)
  zing.signal("orders", order.booking_id, name, value)
end

stock["order/seat/hold"] = function(event)
  local order = event.json
  local free = not zing.state.get("sold/" .. order.seat)
    and zing.lock(order.seat, {owner = order.booking_id, ttl = zing.config.hold or "10m"})
  answer(order, "seat", {held = free and true or false})
end

stock["order/seat/sell"] = function(event)
  local order = event.json
  local mine = zing.unlock(order.seat, order.booking_id)
  if mine then zing.state.set("sold/" .. order.seat, order.booking_id) end
  answer(order, "sold", {sold = mine})
end

-- Undoing: whatever this order had of the seat is free again.
stock["order/seat/free"] = function(event)
  local order = event.json
  zing.unlock(order.seat, order.booking_id)
  if zing.state.get("sold/" .. order.seat) == order.booking_id then
    zing.state.delete("sold/" .. order.seat)
  end
end

return stock
