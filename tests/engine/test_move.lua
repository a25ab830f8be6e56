--- MOVE
-- Notes what came, in order, under its key; what the message says comes first.
local service = {}
local function note(text)
  zing.state.set('seen', (zing.state.get('seen') or '') .. text .. ' ')
end
service['#'] = function(e)
  local m = e.json
  if m.sleep then zing.sleep('1m') end
  if m.wait then zing.wait('go') end
  if m.dead then zing.reject('no') end
  if m.lock and not zing.lock('l', {owner = m.v, ttl = '2m'}) then note('locked') end
  note(m.v)
end
function service.on_lock_expired() note('expired') end
return service
