-- Sleeps, waits for a signal, and for a short time for another one; see kind_wait.c.
return function(e)
  local m = e.json
  local name = "go" .. m.n
  if m.nap > 0 then zing.sleep(m.nap) end
  if m.n % 7 == 0 and e.attempt == 1 then error("once") end
  local first = zing.wait(name, m.within)
  if m.n % 5 == 0 and e.attempt <= 2 then error("once more") end
  local second = zing.wait(name, 0.3)
  for _, got in ipairs{first or nil, second or nil} do
    if got.n ~= m.n then error("a signal of " .. got.n) end
  end
  zing.publish("out/wait/" .. m.k, ("%d %s %s"):format(m.n, first and first.i or "none",
    second and second.i or "none"))
end
