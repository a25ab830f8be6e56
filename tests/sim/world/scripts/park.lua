-- Dies once where it is told to, and holds its key; see kind_park.c.
return function(e)
  local m = e.json
  if m.dies and not e.replayed then zing.reject("parked") end
  if m.n % 5 == 0 and e.attempt == 1 then error("once") end
  zing.publish("out/park/" .. e.key, tostring(m.n))
end
