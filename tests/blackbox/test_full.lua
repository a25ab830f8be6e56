--- script
return function(event)
  zing.publish('out', {topic = event.topic, n = zing.state.incr('n')})
end
