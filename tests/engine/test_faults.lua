--- ALL
local h = {}

h["all/retry"] = function(e)
  if e.attempt == 1 then error("as told") end
  zing.publish("out/retry", "again")
end

h["all/lock"] = function(e) zing.lock("seat", {owner = e.payload, ttl = 3}) end
function h.on_lock_expired(lock) zing.publish("out/lock", "over " .. lock.owner) end

h["all/saga"] = function()
  zing.saga():step("charge", function() zing.http.post("http://peer/charge") end, function()
    zing.http.post("http://peer/refund")
    zing.publish("out/saga", "undone")
  end)
  zing.reject("as told")
end

h["all/sleep"] = function()
  zing.sleep(2)
  local result = zing.step("count", function() zing.state.incr("steps") return 7 end)
  zing.publish("out/sleep", zing.state.get("steps") .. " " .. result)
end

h["all/join"] = function() zing.publish("out/join", table.concat(zing.wait_all("part", 3), " ")) end
h["all/fan"] = function()
  for i = 1, 2 do zing.signal("all", "join", "part", i) end
end

h["all/late"] = function() zing.publish("all/due", "", {after = 2}) end
h["all/due"] = function() zing.publish("out/late", "due") end

h["all/draft"] = function(e)
  zing.publish("out/draft", e.payload, {after = 8, replace = "draft", max_wait = 20})
end

h["all/sell"] = function()
  zing.publish("out/sell", zing.sql.once("shop", "sell", function()
    return zing.sql("shop", "update items set sold = sold + 1 returning sold").rows[1].x
  end))
end

h["all/die"] = function(e)
  if not e.replayed then zing.reject("as told") end
  zing.publish("out/die", "replayed")
end
h["all/go"] = function() zing.reject("as told") end
function h.on_dead(e) zing.publish("out/dead", zing.json.encode({topic = e.topic})) end

h["all/file"] = function() zing.append("log.txt", "line") end
h["all/cancel"] = function() zing.sleep("1h") end

return h

--- POLICY
return function(e)
  if e.topic == "all/go" then return "discard" end
end

--- BATCH
return function(events)
  for _, e in ipairs(events) do zing.publish("out/batch", e.payload) end
end

--- URGENT
return function(e) zing.publish("out/urgent", tostring(e.json.p)) end

--- PATIENT
return function(e)
  if e.attempt <= 2 then error("as told") end
  zing.publish("out/patient", "at last")
end

--- RETRY
return function() return {after = zing.json.decode("1")} end

--- ADDED
return function(e) zing.publish("out/added", e.payload) end

--- HELD
return function(e)
  if e.topic == "in/sleep" then zing.sleep("1h") end
end

--- REJECTS
return {["in/+"] = function(e)
  if e.payload == "mended" then return zing.publish("out", e.payload) end
  zing.reject("no such seat")
end}

--- UNDONE
return function()
  zing.saga():step("charge", function() zing.http.post("http://peer/charge") end, function()
    zing.publish("out", "undone")
  end)
  zing.reject("as told")
end
