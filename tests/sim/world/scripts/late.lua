-- Puts a publish off, or takes one back; see kind_late.c.
return function(e)
  local m = e.json
  if m.cancel then
    local id = zing.state.get("id/" .. m.n)
    if id and zing.cancel(id) then zing.publish("out/late/" .. m.k, m.n .. " cancelled") end
    return
  end
  local payload = m.to == "out/late" and m.n .. " due" or {n = m.n, k = m.k}
  local topic = m.to == "out/late" and "out/late/" .. m.k or "due/" .. m.k
  local options = {after = m.after, at = m.at}
  if m.n % 3 == 0 then -- another one waits under its name, on disk, and is replaced by the next
    options.replace = "late " .. m.n
    zing.step("too early", function()
      zing.publish(topic, "replaced " .. m.n, {after = (m.after or 1) + 86400, replace = options.replace})
    end)
  end
  local id = zing.publish(topic, payload, options)
  zing.state.set("id/" .. m.n, id, {ttl = "1h"})
  if m.n % 6 == 0 and e.attempt == 1 then error("once") end
end
