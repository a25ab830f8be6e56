--- KEPT
-- Notes what came, in order, under its key.
local service = {}
local function note(text)
  zing.state.set("seen", (zing.state.get("seen") or "") .. text .. " ")
end
service["in/#"] = function(e)
  if e.payload == "sleep" then zing.sleep("30s") end
  if e.payload == "wait" then zing.wait("go") end
  if e.payload == "lock" then zing.lock("l", {owner = "o", ttl = "40s"}) end
  if e.payload == "step" then zing.step("one", function() return 1 end) end
  if e.payload == "die" then zing.reject("as told") end
  note(e.payload)
end
function service.on_lock_expired() note("expired") end
return service
