--- HOLDS
local s = {}
s["in/+"] = function(e)
  zing.lock("seat", {owner = e.payload, ttl = 10})
  zing.publish("out", "held")
end
function s.on_lock_expired(lock) zing.publish("out", "over " .. lock.owner) end
return s

--- REJECTS
return {["in/+"] = function() zing.reject("no such seat") end}
