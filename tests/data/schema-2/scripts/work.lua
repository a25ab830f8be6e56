-- Does what its payload says.
return function(event)
  local what = event.payload
  if what == "count" then
    zing.state.incr("n")
  elseif what == "later" and event.attempt == 1 then
    zing.retry("1m", "not yet")
  elseif what == "bad" and not event.replayed then
    zing.reject("bad")
  elseif what == "put off" then
    zing.publish("out/put-off", event.key, {after = "1m"})
  elseif what == "lock" then
    local got, owner = zing.lock("seat", {owner = "first"})
    zing.publish("out/lock", tostring(got) .. " " .. tostring(owner))
  elseif what == "lock again" then
    local got, owner = zing.lock("seat", {owner = "second"})
    zing.publish("out/lock", tostring(got) .. " " .. tostring(owner))
  else
    zing.publish("out/work", event.key .. " " .. what)
  end
end
