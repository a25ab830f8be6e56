--- a_wait_under_another_name_leaves_no_waiter
local run = 0
return function(e)
  run = run + 1
  if run < 4 then zing.wait('answer ' .. run, '10s') end
  zing.publish('out', 'done')
end

--- a_signal_is_for_who_waits_now_though_the_script_was_edited
return function(e)
  zing.publish('out', e.payload .. tostring(zing.wait('paid', '1h')))
end

--- a_dead_signal_is_sent_again_by_a_replay
return function(e)
  if e.payload == 'send' then
    for i = 1, 1001 do zing.signal('s', 'k', 'a/b', {n = i}) end
  else
    zing.publish('out', zing.wait('a/b').n)
  end
end

--- a_signal_between_two_tries_does_not_hurry_the_next
local run = 0
return function(e)
  run = run + 1
  if run == 2 then zing.retry('1h') end
  zing.publish('out', zing.wait('paid', '10s'))
end

--- a_refused_signal_of_any_bytes_is_a_dead_letter
return function(e)
  if e.payload == 'fill' then
    for i = 1, 1000 do zing.signal('s', 'k\xff', 'paid', i) end
  else
    zing.signal('s', 'k\xff', 'paid', '\xff')
  end
end

--- a_cancelled_event_runs_when_it_is_replayed
return function(e)
  if not e.replayed then error('down') end
  zing.publish('out', 'ran')
end

--- an_event_about_to_run_can_be_cancelled
return function(e)
  if e.attempt == 1 and e.payload == 'first' then zing.snooze(1) end
  if e.payload == 'first' then zing.http.get('http://x/') end
  zing.publish('out', e.payload)
end
