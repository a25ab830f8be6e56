--- SLEEPS
-- Notes what came, in order, under its key; what the message says comes first.
return {['#'] = function(e)
  local m = e.json
  if m.sleep then zing.sleep('1m') end
  if m.dead then zing.reject('no') end
  zing.state.set('seen', (zing.state.get('seen') or '') .. m.v .. ' ')
end}
