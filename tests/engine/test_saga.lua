--- a_time_out_for_good_is_undone_too
return function(e)
  local saga = zing.saga()
  saga:step('a', function() zing.publish('did', 'a') end,
    function(_, how) zing.publish('undid', 'a ' .. how) end)
  saga:step('b', function() zing.http.post('http://peer/') end,
    function(_, how) zing.publish('undid', 'b ' .. how) end)
end

--- a_step_that_was_refused_has_nothing_to_undo
return function(e)
  local saga = zing.saga()
  saga:step('a', function() end, function() zing.publish('undid', 'a') end)
  saga:step('pay', function()
    local r = zing.http.post('http://peer/')
    if r.status == 402 then zing.reject('declined') end
  end, function() zing.publish('undid', 'pay') end)
end

--- a_step_that_was_accepted_and_then_failed_is_undone
return function(e)
  zing.saga():step('pay', function()
    local r = zing.http.post('http://peer/')
    zing.reject('charged, but: ' .. r.body)
  end, function(_, how) zing.publish('undid', 'pay ' .. how) end)
end

--- a_step_that_was_answered_5xx_is_undone
return function(e)
  zing.saga():step('pay', function()
    if zing.http.post('http://peer/').status ~= 200 then zing.reject('no') end
  end, function(_, how) zing.publish('undid', 'pay ' .. how) end)
end

--- STUBBORN
return function(e)
  local saga = zing.saga()
  saga:step('a', function() end, function() zing.publish('undid', 'a') end)
  saga:step('b', function() end, function()
    local r = zing.http.post('http://peer/undo')
    if r.status ~= 200 then error('the peer says ' .. r.status) end
    zing.publish('undid', 'b') end)
  zing.reject('no')
end

--- an_undone_event_that_is_replayed_begins_anew_under_new_keys
return function(e)
  zing.saga():step('pay', function() zing.http.post('http://peer/') end,
    function() zing.publish('undid', 'pay') end)
  if not e.replayed then zing.reject('no') end
  zing.publish('out', 'done')
end

--- nothing_outside_the_compensations_happens_while_undoing
return function(e)
  zing.state.incr('runs') zing.publish('noise', '')
  local ok = pcall(function()
    zing.saga():step('a', function() end, function() zing.publish('undid', 'a') end)
    zing.http.post('http://peer/')
  end)
  zing.publish('after', tostring(ok))
  zing.reject('no')
end

--- an_event_woken_before_a_crash_is_not_cancelled_twice
return function(e)
  if e.payload == 'x' then zing.sleep('10s') else zing.http.get('http://x') end
end

--- on_dead_is_told_of_what_a_person_cancels
return {['in'] = function() zing.sleep('1h') end,
  on_dead = function(e, why) zing.publish('told', why) end}

--- a_person_cancels_a_waiting_event
return function(e) if e.payload == 'x' then zing.sleep('1h') end
  zing.publish('out', e.payload) end

--- CHARGED
return function(e)
  local saga = zing.saga()
  local function ask(what, back) return function()
    local r = zing.http.post('http://peer/' .. what)
    if r.status ~= 200 then error('peer') end
    zing.state.incr(what) end end
  saga:step('one', ask('one'), ask('un-one'))
  zing.sleep('1m')
  saga:step('two', ask('two'), ask('un-two'))
  zing.reject('sold out')
end
