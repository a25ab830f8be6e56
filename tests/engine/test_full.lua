--- a_full_store_takes_nothing_and_loses_nothing
return function(e)
  zing.state.incr('n')
  zing.state.set('copy' .. e.payload:match('%d+'), e.payload)
end

--- a_store_that_is_full_of_publishes_goes_on_when_the_broker_takes_them
return function(e)
  zing.state.incr('n')
  zing.publish('out', e.payload)
end
