-- order.lua - keeps a list of what has come, by the numbers of a key: its last answer says which are missing, how many
-- came, and how many came behind a later one. What the broker loses of the answers is lost to the observer only.
return function(event)
  local n = event.json.n
  if n % 5 == 1 and event.attempt == 1 then error("not at the first attempt") end
  if n % 7 == 3 then zing.sleep("200ms") end

  local seen = zing.state.get("seen") or {next = 0, count = 0, late = 0, missing = {}}
  seen.count = seen.count + 1
  if n < seen.next then seen.late = seen.late + 1 end
  for missing = seen.next, n - 1 do seen.missing[tostring(missing)] = true end
  seen.missing[tostring(n)] = nil
  seen.next = math.max(seen.next, n + 1)
  zing.state.set("seen", seen)

  local missing = {}
  for number in pairs(seen.missing) do missing[#missing + 1] = number end
  zing.publish("chaos/out/order", {id = event.json.id, key = event.key, n = n, count = seen.count, late = seen.late,
    missing = table.concat(missing, " ")})
end
