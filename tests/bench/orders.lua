-- What the benchmark asks of a handler: one JSON decode, one state increment, one publish.
return function(event)
  zing.state.incr("seats", #event.json.seats)
  zing.publish("bench/zingq/out", event.payload)
end
