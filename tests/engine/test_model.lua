--- FIRST
--- The payload says what happens at each attempt: one letter each, then success.
return function(e)
  local number, fate = e.payload:match('^(%d+) (%a*)$')
  local what = fate:sub(e.attempt, e.attempt)
  if what == 'e' then error('as told') end
  if what == 'r' then zing.retry(0.1) end
  if what == 's' then zing.snooze(0.7) end
  if what == 't' then zing.throttle(0.2) end
  if what == 'c' then zing.http.get('http://peer') end
  if what == 'w' then zing.http.get('http://never') end
  zing.state.incr('sum', tonumber(number))
  zing.state.incr('n')
  zing.publish('mid/' .. e.key, e.payload)
  if number % 4 == 0 then
    zing.publish('late/x', e.payload, {at = zing.now() + 1})
  end
end

--- SECOND
return function(e)
  if #e.payload % 7 == 0 and e.attempt == 1 then error('once') end
  zing.publish('end/' .. e.key, e.payload:match('%d+'))
end
