-- A step, then a minute of sleep or an attempt that fails, then a step.
return function(event)
  zing.step("one", function() zing.publish("out/step", event.key .. " one") return {n = 1} end)
  if event.key == "asleep" then
    zing.sleep("1m")
  elseif event.attempt == 1 then
    zing.retry("1m", "not yet")
  end
  zing.step("two", function() zing.publish("out/step", event.key .. " two") end)
end
