-- What was put off has come.
return function(e)
  local m = e.json
  if m.n % 4 == 0 and e.attempt == 1 then error("once") end
  zing.publish("out/late/" .. m.k, m.n .. " due")
end
