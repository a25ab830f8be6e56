-- Waits for "go".
return function(event)
  zing.publish("out/went", event.key .. " " .. tostring(zing.wait("go")))
end
