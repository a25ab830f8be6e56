-- A step, a minute of sleep, a step.
return function(event)
  zing.step("one", function() zing.publish("out/step", "one") end)
  zing.sleep("1m")
  zing.step("two", function() zing.publish("out/step", "two") end)
end
