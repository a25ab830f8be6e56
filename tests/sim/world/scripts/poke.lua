-- A signal by way of a service.
return function(e)
  local m = e.json
  if m.n % 3 == 0 and e.attempt == 1 then error("once") end
  zing.signal("wait", m.k, "go" .. m.n, {n = m.n, i = m.i})
end
