--- count_script
--- Publishes what it got, and how often it ran for this key.
return function(event)
  zing.publish('out/' .. event.json.id, {n = zing.state.incr('n'), key = event.key,
                                         attempt = event.attempt})
end
