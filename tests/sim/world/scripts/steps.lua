-- A loop of steps; see kind_steps.c.
return function(e)
  local m = e.json
  local out, count, sum = "out/steps/" .. m.k, "count/" .. m.n, 0
  for i = 1, m.steps do
    sum = sum + zing.step("step " .. i, function()
      local result = tonumber(zing.uuid():sub(-3), 16) -- by chance, and the world's
      zing.state.incr(count)
      zing.publish(out, ("%d step %d %d"):format(m.n, i, result))
      if i <= m.calls then
        local answer = zing.http.post("http://pay/note", {body = m.n .. " step " .. i})
        if answer.status ~= 200 then error("the peer says " .. answer.status) end
      end
      if i == m.fail and e.attempt < 3 then error("as told") end
      return result
    end)
    if i == m.nap then zing.sleep(0.5) end
    if i == 2 and m.n % 5 == 0 and e.attempt == 1 then error("between two steps") end
  end
  zing.publish(out, ("%d %d %d"):format(m.n, zing.state.get(count), sum))
  zing.state.delete(count)
end
