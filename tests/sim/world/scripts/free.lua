-- Without a key; see kind_free.c.
return function(e)
  local m = e.json
  if m.n % 4 == 0 and e.attempt == 1 then error("once") end
  zing.append("free.log", tostring(m.n))
  if m.call then zing.http.get("http://pay/look") end
  zing.publish("out/free/" .. m.k, tostring(m.n))
end
