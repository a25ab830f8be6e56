--- script
return function(event)
  zing.state.incr('n')
  zing.append('jobs', event.id)
end
