-- hello.lua - the service "hello": answers a greeting. Edit it; a saved script is live within a second.

return function(event)
  zing.log.info("hello", {payload = event.payload})
  zing.publish("hello/answer", "hello " .. event.payload)
end
