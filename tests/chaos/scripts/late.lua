-- late.lua - passes the event on, seconds later.
return function(event)
  zing.publish("chaos/ring", event.json, {after = "2s"})
end
