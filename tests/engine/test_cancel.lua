--- REMINDER
--- "set" puts a reminder off by a minute and keeps its id; "stop" takes it back and says whether it
--- did; what is in the handlers below goes on from there.
return function(e)
  if e.payload == 'set' then
    zing.state.set('id', zing.publish('remind', 'wake up', {after = 60}))
  elseif e.payload == 'stop' then
    zing.publish('out', tostring(zing.cancel(zing.state.get('id'))))
  elseif e.payload == 'stop and fail' then
    zing.cancel(zing.state.get('id'))
    error('on purpose')
  elseif e.payload == 'stop and wait' then
    local was = zing.cancel(zing.state.get('id'))
    zing.http.get('http://peer/')
    zing.publish('out', tostring(was))
  end
end

--- what_one_attempt_publishes_it_can_take_back
return function(e)
  local later = zing.publish('remind', 'later', {after = 60})
  local now = zing.publish('remind', 'now')
  zing.publish('remind', 'kept')
  zing.publish('out', tostring(zing.cancel(later)))
  zing.publish('out', tostring(zing.cancel(now)))
  zing.publish('out', tostring(zing.cancel(later)))
end
