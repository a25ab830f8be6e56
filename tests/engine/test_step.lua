--- a_step_is_on_disk_before_the_next_line_runs
return function(e)
  local n = zing.step('first', function() zing.publish('did', 'it') return 7 end)
  zing.publish('out', n + 1)
end

--- a_finished_step_does_not_run_again_after_a_failure
return function(e)
  local n = zing.step('count', function()
    zing.publish('did', 'it') return zing.state.incr('n') end)
  if e.attempt < 3 then error('not yet') end
  zing.publish('out', n)
end

--- a_step_that_fails_leaves_the_earlier_ones_done
return function(e)
  zing.step('a', function() zing.publish('a', '') end)
  zing.step('b', function() zing.publish('b', '') error('broken') end)
end

--- a_replayed_dead_letter_goes_on_behind_its_finished_steps
return function(e)
  zing.step('a', function() zing.publish('a', '') end)
  error('broken')
end

--- a_replayed_dead_letter_goes_on_behind_its_finished_steps_2
return function(e)
  zing.step('a', function() zing.publish('a', '') end)
  zing.publish('out', '')
end

--- one_name_twice_is_an_error
return function(e)
  for _ = 1, 2 do zing.step('same', function() end) end
end

--- a_step_may_not_write_what_the_handler_wrote_around_it
return function()
  zing.state.set('n', 1)
  zing.step('a', function() zing.state.set('n', 2) end)
end

--- a_result_over_its_limit_is_an_error
return function() zing.step('a', function()
  return string.rep('x', 1100000) end) end

--- calls_in_steps_have_keys_by_their_names
return function()
  zing.http.post('http://p/0')
  zing.step('pay/now', function()
    zing.http.post('http://p/1') zing.http.post('http://p/2') end)
end

--- a_sleeping_event_is_not_in_memory_and_goes_on_after_a_restart
return function(e)
  zing.step('a', function() zing.publish('a', '') end)
  zing.sleep('2h')
  zing.publish('out', e.attempt)
end

--- a_sleep_holds_up_its_own_key_only
return function(e) if e.payload == '1' then zing.sleep(60) end
  zing.publish('out', e.payload) end

--- WAITS
return function(e)
  local value, why = zing.wait('paid', '10m')
  zing.publish('out', zing.json.encode({value, why}))
end

--- a_wait_that_times_out_says_so
return function(e)
  local value, why = zing.wait('paid', '10m')
  zing.publish('out', why)
end

--- a_call_of_unknown_outcome_is_settled_by_reconcile
return function(e)
  local r = zing.http.post('http://pay/charge', {reconcile = function(key)
    local seen = zing.http.get('http://pay/by-key')
    if seen.status == 200 then return seen end
  end})
  zing.publish('out', r.body)
end

--- calls_of_a_finished_step_need_no_force
return function(e)
  zing.step('pay', function() zing.http.post('http://pay/',
    {headers = {['Idempotency-Key'] = 'mine'}}) end)
  if not e.replayed then error('later') end
end

--- LONG
return function(e)
  local function ask(n) return function()
    local r = zing.http.post('http://peer/' .. n)
    if r.status ~= 200 then error('peer') end
    zing.publish('did/' .. n, '') zing.state.incr('did') return n end end
  local sum = zing.step('one', ask(1))
  zing.sleep('1m')
  sum = sum + zing.step('two', ask(2)) + zing.step('three', ask(3))
  sum = sum + zing.wait('more', '1h')
  sum = sum + zing.step('four', ask(4))
  zing.sleep('1m', 'a moment')
  sum = sum + zing.step('five', ask(5))
  zing.publish('sum', sum)
end
