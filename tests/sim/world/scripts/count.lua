-- Counts under its key, once the attempts that are fated to fail have failed.
return function(e)
  local m = e.json
  local what = m.fate:sub(e.attempt, e.attempt)
  if what == "e" then error("as told") end
  if what == "r" then zing.retry(0.1) end
  if what == "s" then zing.snooze(0.7) end
  if what == "t" then zing.throttle(0.2) end
  if what == "c" then zing.http.get("http://pay/look") end
  if what == "w" then zing.http.get("http://pay/slow") end
  zing.state.incr("sum", m.n)
  zing.state.incr("count")
  zing.publish("mid/" .. e.key, {n = m.n, k = m.k})
end
