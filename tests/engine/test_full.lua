--- a_full_store_takes_nothing_and_loses_nothing
return function(e)
  zing.state.incr('n')
end

--- a_store_that_is_full_of_publishes_goes_on_when_the_broker_takes_them
return function(e)
  zing.state.incr('n')
  zing.publish('out', e.payload)
end

--- a_large_value_fits_into_a_store_whose_free_pages_are_scattered
return function(e)
  if e.payload ~= 'large' then
    zing.reject('kept')
  end
  zing.state.set('large', ('x'):rep(600 * 1024))
  zing.publish('out', e.payload)
end
