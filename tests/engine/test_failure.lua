--- FIRST
--- Every sort of effect: state, a lock that expires, a publish at once and a later one, a line, a
--- call, a failure, a dead letter.
local s = {}
s['in/#'] = function(e)
  local n = tonumber(e.payload)
  if n == 1 and zing.now() < 1700000003 then error('not yet') end
  if n == 2 then zing.http.get('http://peer') end
  if n == 3 then zing.dead_letter('d' .. e.key, 'told so') end
  zing.state.set('last', n)
  zing.lock('L' .. n, {ttl = 2})
  zing.append('lines', e.key .. n)
  zing.publish('next/' .. e.key, e.payload)
  zing.publish('later', e.key .. n, {after = 2})
end
function s.on_lock_expired(lock) zing.state.incr('expired') end
return s

--- SECOND
return function(e)
  zing.state.incr('count')
  zing.publish('end/' .. e.key, e.payload)
end

--- BATCHES
--- Batches: one event of each fails by name, a whole batch fails, one waits for a call.
return function(events)
  local failed, done = {}, 0
  local last <close> = setmetatable({}, {__close = function()
    zing.log.debug(events[1].key .. events[#events].qos)
    zing.state.get('done') end})
  if #events > 1 then zing.http.get('http://peer') end
  for i, e in ipairs(events) do
    if e.attempt == 1 and e.payload == '0' then error('all') end
    if e.attempt == 1 and e.topic == 'end/k1' then
      failed[i] = 'later'
    else
      done = done + 1
    end
  end
  zing.state.incr('done', done)
  return failed
end
