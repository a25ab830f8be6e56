-- test_run_faults.lua - a handler that uses what there is, and a later version of it.

--- USES_MUCH
local parts = require("parts")
local shop = {}

shop["test/topic"] = function(event)
  local order = event.json
  local seen = zing.state.get("seen") or {}
  seen[#seen + 1] = order.id
  zing.state.set("seen", seen, {ttl = "1h"})
  zing.state.incr("count", 2)
  zing.lock("seat-" .. order.id, {owner = order.id, ttl = "10m", data = {n = 1}})
  for i = 1, 20 do
    zing.publish("out/" .. i, {n = i, text = ("x"):rep(50)}, {properties = {tenant = "a"}})
  end
  zing.publish("later", "x", {after = "5m"})
  local answer = zing.http.post("http://127.0.0.1/charge",
    {json = {amount = order.amount}, headers = {["X-Shop"] = "1"}})
  assert(answer.json().ok)
  zing.append("lines.txt", parts.line(zing.hmac and "a" or "b"))
  zing.log.info("sold", {id = order.id})
end

return shop

--- PARTS
return {line = function(text) return zing.json.encode({text = text, list = {1, 2, 3}}) end}

--- NEXT
local parts = require("parts")
return function(event) zing.publish("next", parts.line("x")) end
