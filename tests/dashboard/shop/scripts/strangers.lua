-- strangers.lua - fails with whatever a stranger wrote, so that the page has to show it.
return function(event)
  error(event.topic .. " " .. event.payload)
end
