--- of_two_in_one_attempt_the_second_is_sent
return function()
  local one = zing.publish('out', 'first', {after = '5s', replace = 'cart'})
  local two = zing.publish('out', 'second', {after = '5s', replace = 'cart'})
  assert(one == two)
end

--- its_id_takes_back_what_waits
local id
return function(e)
  if e.payload ~= 'cancel' then
    id = zing.publish('out', 'late', {after = '5s', replace = 'cart'})
  end
  if e.payload ~= 'wait' then zing.publish('out', tostring(zing.cancel(id))) end
end

--- a_failed_attempt_replaces_nothing
return function(e)
  zing.publish('out', e.payload, {after = '5s', replace = 'cart'})
  if e.payload == 'bad' then error('as told') end
end

--- a_step_and_what_is_around_it_do_not_share_a_name
return function()
  zing.publish('out', 'around', {after = '5s', replace = 'cart'})
  zing.step('inside', function() zing.publish('out', 'inside', {after = '5s', replace = 'cart'}) end)
end
