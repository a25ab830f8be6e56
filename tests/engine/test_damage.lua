--- HANDLER
local h = {}
h['in/#'] = function(e)
  local what = e.json.what
  zing.state.incr('seen')
  if what == 'bad' then zing.reject('bad') end
  if what == 'once' and e.attempt == 1 then error('once') end
  if what == 'hold' and e.attempt == 1 then error('once') end
  if what == 'hold' then zing.http.get('http://a/') end
  if what == 'wait' then zing.wait('go', '1h') end
  if what == 'call' then zing.http.get('http://a/') end
  if what == 'step' then zing.step('one', function() return 1 end) zing.sleep('1h') end
  if what == 'lock' then zing.lock('seat', {owner = 'o', ttl = '10m'}) end
  if what == 'later' then zing.publish('out/later', 'x', {after = '1h'}) end
  if what == 'line' then zing.append('a.txt', 'line') end
  zing.publish('out/done', e.key)
end
function h.on_lock_expired(lock) zing.publish('out/expired', lock.name) end
return h
