--- play
return function(event)
  zing.append('lines', event.json.id)
  zing.publish('out/' .. event.key, event.payload)
end
