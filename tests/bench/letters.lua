-- Letters are rejected until they are replayed; everything else does a little work.
return function(event)
  if event.json.letter and not event.replayed then zing.reject("not yet") end
  zing.state.incr("events")
  zing.publish("bench/zingq/out", event.payload)
end
