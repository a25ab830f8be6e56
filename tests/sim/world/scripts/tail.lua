-- The second hop of counting.
return function(e)
  local m = e.json
  if m.n % 7 == 0 and e.attempt == 1 then error("once") end
  zing.publish("out/count/" .. m.k, tostring(m.n))
end
