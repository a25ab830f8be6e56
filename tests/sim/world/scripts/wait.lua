-- Sleeps, waits for a signal, and for a short time for another one or two; see kind_wait.c.
return function(e)
  local m = e.json
  local name = "go" .. m.n
  if m.nap > 0 then zing.sleep(m.nap) end
  if m.n % 7 == 0 and e.attempt == 1 then error("once") end
  local first = m.n % 4 == 0 and (zing.wait_all(name, 1, m.within) or {})[1] or nil
  if m.n % 4 ~= 0 then first = zing.wait(name, m.within) end
  if m.n % 5 == 0 and e.attempt <= 2 then error("once more") end
  local pair = m.n % 3 == 0 and zing.wait_all(name, 2, 0.3) or {}
  local second = pair[1] or zing.wait(name, 0.3)
  local seen = {}
  for _, got in ipairs{first or second or nil, first and second or nil, pair[2]} do
    if got.n ~= m.n then error("a signal of " .. got.n) end
    if seen[got.i] then error("twice signal " .. got.i) end
    seen[got.i] = true
  end
  zing.publish("out/wait/" .. m.k, ("%d %s %s"):format(m.n, first and first.i or "none",
    second and second.i or "none"))
end
