-- Events with `loop` use up limits.lua_time at every attempt; the others do a little work.
return function(event)
  while event.json.loop do
  end
  zing.state.incr("events")
  zing.publish("bench/zingq/out", event.payload)
end
