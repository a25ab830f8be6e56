--- a_batch_is_for_one_function
local h = {}
h['in/a'] = function(events) zing.publish('out', 'a' .. #events) end
h['in/b'] = function(events) zing.publish('out', 'b' .. #events) end
return h

--- a_batch_that_fails_uses_up_no_try_of_its_events
return function(events)
  for _, e in ipairs(events) do
    if e.payload == '2' then error('poison') end
  end
end

--- of_two_calls_of_a_batch_the_one_that_counts_is_kept
return function(events)
  zing.http.post('http://charge/')
  zing.http.post('http://log/')
end

--- a_payload_that_is_no_json_costs_the_others_nothing
return function(events)
  local sum = 0
  for _, e in ipairs(events) do sum = sum + e.json end
  zing.publish('out', sum)
end
