--- FAILS_UNTIL
--- Fails until the attempt that the payload names.
return function(e)
  if e.attempt < tonumber(e.payload) then error('not yet') end
  zing.publish('out', e.payload .. ':' .. e.attempt)
end

--- a_handler_names_its_own_delay_with_zing_retry
return function(e)
  if e.attempt == 1 then zing.retry(30, 'busy') end
  if e.attempt == 2 then zing.retry() end
end

--- a_retry_policy_decides_instead_of_the_numbers
return function(event, err)
  if event.attempt == 3 then return {dead = 'enough: ' .. err:match('^%a+')} end
  return {after = 7}
end

--- a_dead_letter_policy_publishes_and_writes_state
return function(event, reason)
  zing.publish('alarm', event.payload .. ':' .. reason:match('%a+$'))
  zing.state.incr('dead')
end

--- on_dead_of_the_handler_is_told
return { ['in/a'] = function() error('never') end,
  on_dead = function(event, reason)
    zing.publish('sorry', event.payload .. (reason:find('never') and '!' or '?'))
  end }

--- what_a_policy_publishes_is_handed_over_too
return { ['in/a'] = function() error('never') end,
  on_dead = function(event) zing.publish('sorry', 'told') end }

--- a_throttle_holds_the_whole_service_and_no_other
return function(e)
  if e.payload == 'slow' and e.attempt == 1 then zing.throttle(10) end
  zing.publish('out', e.payload)
end

--- a_throttled_service_starts_again_with_few
return function(e)
  if e.payload == 'slow' and e.attempt == 1 then zing.throttle(10) end
  if e.payload == 'call' then zing.http.get('http://peer/') end
end
