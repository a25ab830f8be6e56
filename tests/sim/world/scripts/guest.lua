-- Of a service that comes and goes; see kind_guest.c.
return function(e)
  local m = e.json
  if m.fate == "e" and e.attempt == 1 then error("as told") end
  if m.fate == "c" then zing.http.get("http://pay/look") end
  if m.fate == "s" then zing.sleep(0.5) end
  zing.publish("out/guest/" .. m.k, m.n .. " " .. zing.state.incr("count"))
end
