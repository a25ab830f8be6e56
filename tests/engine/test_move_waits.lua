--- WAITS
-- Notes what came, in order, under its key; what the message says comes first.
local service = {}
service['#'] = function(e)
  local m = e.json
  if m.wait then zing.wait('go') end
  if m.all then zing.wait_all('go', m.all) end
  if m.sleep then zing.sleep('1m') end
  zing.state.set('seen', (zing.state.get('seen') or '') .. m.v .. ' ')
end
return service
