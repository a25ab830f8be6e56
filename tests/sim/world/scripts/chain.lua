-- From key to key, then to several children, which meet again; see kind_chain.c.
local chain = {}

local KEYS = 12

local function go_on(m)
  if m.left > 0 then
    local at = (m.at + 5) % KEYS
    zing.publish("chain/hop/" .. at, {n = m.n, k = m.k, at = at, left = m.left - 1, fan = m.fan})
    return
  end
  for i = 1, m.fan do
    local child = {n = m.n, k = m.k, i = i, fan = m.fan}
    zing.publish("chain/child/" .. (m.n * 7 + i * 3) % KEYS, child)
  end
end

chain["in/chain/+"] = function(e)
  local m = e.json
  go_on{n = m.n, k = m.k, at = m.n % KEYS, left = m.hops, fan = m.fan}
end

chain["chain/hop/+"] = function(e)
  if (e.json.n + e.json.left) % 9 == 0 and e.attempt == 1 then error("once") end
  go_on(e.json)
end

chain["chain/child/+"] = function(e)
  if (e.json.n + e.json.i) % 7 == 0 and e.attempt == 1 then error("once") end
  zing.publish("chain/meet/" .. e.json.n, e.json)
end

chain["chain/meet/+"] = function(e)
  local m = e.json
  local child = "child " .. m.i
  if zing.state.get(child) then zing.publish("out/chain/" .. m.k, m.n .. " twice " .. m.i) end
  zing.state.set(child, true, {ttl = "1h"})
  local count, sum = zing.state.incr("count"), zing.state.incr("sum", m.i)
  if count == m.fan then
    zing.publish("out/chain/" .. m.k, ("%d %d %d"):format(m.n, count, sum))
    zing.state.delete("count")
    zing.state.delete("sum")
  end
end

return chain
