-- Takes a lock for a while, and may give it back before; see kind_hold.c.
local hold = {}

hold["in/hold/+"] = function(e)
  local m = e.json
  local out, name = "out/hold/" .. m.k, "lock " .. m.lock
  local function say(what) zing.publish(out, m.n .. " " .. what) end
  local mine = zing.step("take", function()
    local before = zing.lock_owner(name)
    local got, who = zing.lock(name, {owner = m.owner, ttl = m.ttl, data = {n = m.n, k = m.k}})
    say(not got and "not " .. who or before and "again" or "got")
    return got
  end)
  if m.n % 5 == 0 and e.attempt == 1 then error("once") end
  if mine and m.back then
    zing.sleep(m.ttl * (m.n % 3))
    zing.step("give back", function() say(zing.unlock(name, m.owner) and "back" or "lost") end)
  end
  say("through")
end

function hold.on_lock_expired(lock)
  zing.publish("out/hold/" .. lock.data.k, lock.data.n .. " over " .. lock.owner)
end

return hold
