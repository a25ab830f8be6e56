-- Several at once; see kind_batch.c.
return function(events)
  local seen, failed, all = {}, {}, {}
  for i, e in ipairs(events) do
    if seen[e.key] or #events > 8 then zing.publish("out/broken/batch", e.payload) end
    seen[e.key] = true
    local m = e.json
    local now = m.fate:sub(e.attempt, e.attempt)
    if e.replayed then
      now = ""
    elseif m.fate:sub(1, e.attempt):find("d", 1, true) then
      failed[i] = {dead = "as told"}
    elseif now == "f" then
      failed[i] = "this one"
    end
    all[now] = true
  end
  if all.x then error("the batch") end
  if all.r then zing.retry(0.1) end
  if all.s then zing.snooze(0.2) end
  if all.c then zing.http.get("http://pay/look") end
  for i, e in ipairs(events) do
    if not failed[i] then zing.publish("out/batch/" .. e.key, e.json.n .. " of " .. #events) end
  end
  return failed
end
