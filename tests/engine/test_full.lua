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

--- a_large_value_fits_into_a_store_whose_free_pages_are_scattered
return function(e)
  local deed, part = e.payload:match('(%a+) ?(%d*)')
  for i = 1, deed == 'large' and 0 or 20 do
    local name = ('%s %02d'):format(part, i)
    if deed == 'fill' then
      zing.state.set(name, ('x'):rep(3000))
    elseif i % 2 == 0 then
      zing.state.delete(name)
    end
  end
  if deed == 'large' then
    zing.state.set('large', ('x'):rep(600 * 1024))
  end
  zing.publish('out', e.payload)
end
