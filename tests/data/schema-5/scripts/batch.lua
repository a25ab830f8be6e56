-- All of them together.
return function(events)
  for _, event in ipairs(events) do zing.publish("out/batch", event.payload) end
end
