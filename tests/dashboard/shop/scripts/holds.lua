-- Holds an item for a customer, and reminds them; waits until they have paid.
local holds = {}

holds["shop/hold"] = function(event)
  local hold = event.json
  zing.lock(hold.item, {owner = hold.customer, ttl = "1h", data = {order = hold.order}})
  zing.state.set("last_item", hold.item)
  zing.publish("shop/reminder", {customer = hold.customer, item = hold.item}, {after = "1h"})
end

holds["shop/await"] = function(event)
  zing.wait("paid", "2h")
end

function holds.on_lock_expired(lock)
  zing.log.info("nobody bought " .. lock.name)
end

return holds
