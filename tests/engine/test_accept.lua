--- ECHO
return function(event)
  zing.publish('out', event.payload)
end
