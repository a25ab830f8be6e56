--- fails_until_mended
return function(event)
  zing.http.get('http://peer/' .. event.payload)
  error('no')
end

--- calls_and_publishes
return function(event)
  zing.http.get('http://peer/x?token=1')
  zing.publish('out', 'x')
end

--- steps
return function(event)
  zing.step('pay', function()
    zing.http.post('http://peer/pay', {body = 'x'})
    return 1
  end)
  local done = pcall(zing.step, 'ship', function()
    zing.http.post('http://peer/ship', {body = 'x'})
    error('no')
  end)
  assert(not done)
  zing.sleep('1m')
  zing.http.get('http://peer/last')
end

--- own_header
return function(event)
  zing.http.get('http://peer/x', {headers = {Traceparent = 'mine'}})
end

--- batch
return function(events)
  zing.publish('out', 'x')
  return {[1] = 'no'}
end

--- statements
return function(event)
  for _, statement in ipairs({'', ' \n', " /*traceparent='mine'*/ select $1", 'select $1'}) do
    pcall(zing.sql, 'shop', statement, {1})
  end
end

--- ends
return function(event)
  if event.payload == 'retry' then zing.retry('1m') end
  if event.payload == 'snooze' then zing.snooze('1m') end
  if event.payload == 'throttle' then zing.throttle('1s') end
  if event.payload == 'reject' then zing.reject('no') end
  if event.payload == 'sleep' then zing.sleep('1h') end
  if event.payload == 'cancelled' then zing.http.get('http://[::1]:8080/x') end
end
