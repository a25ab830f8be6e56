--- what_is_to_leave_at_an_instant_can_be_taken_back
return function(e)
  local id = zing.state.get('id')
  if id then zing.cancel(id) return end
  zing.state.set('id', zing.publish('out', '', {at = zing.now() + 3600}))
end

--- each_of_many_put_off_by_either_clock_leaves_by_its_own
return function(e)
  for i = 1, 40 do
    zing.publish('out', 'after', {after = '1h'})
    zing.publish('out', 'at', {at = zing.now() + 7200})
  end
end
