-- Does what its payload says.
local actions = {
  count = function() zing.state.incr("n") end,
  values = function()
    zing.state.set("yes", true)
    zing.state.set("no", false)
    zing.state.set("half", 0.5)
    zing.state.set("bytes", "\0\xff")
    zing.state.set("table", {list = {1, 2.5, "ä"}, empty = {}})
    zing.state.set("for a while", "text", {ttl = "3650d"})
  end,
  later = function(event)
    if event.attempt == 1 then zing.retry("1m", "not yet") end
    zing.publish("out/work", event.key .. " later")
  end,
  fails = function(event)
    if not event.replayed then error("attempt " .. event.attempt) end
    zing.publish("out/work", event.key .. " fails")
  end,
  bad = function(event)
    if not event.replayed then zing.reject("bad") end
    zing.publish("out/work", event.key .. " bad")
  end,
  ["put off"] = function(event) zing.publish("out/put-off", event.key, {after = "1m"}) end,
  lock = function(event)
    local got, owner = zing.lock("seat", {owner = event.id, ttl = "3650d", data = {seat = "A1"}})
    zing.publish("out/lock", tostring(got) .. " " .. tostring(owner == nil or owner ~= event.id))
  end,
  letter = function() zing.dead_letter("a record", "inconsistent") end,
  written = function() zing.append("written.txt", "one line") end,
  blocked = function() zing.append("blocked.txt", "a line that waits") end,
}

return function(event)
  local act = actions[event.payload]
  if act then return act(event) end
  zing.publish("out/work", event.key .. " " .. event.payload)
end
