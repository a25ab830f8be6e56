--- HANDLER
return function(e)
  local d = e.json
  if d.peek then zing.state.set('seen', zing.peek('s', d.peek, 'seen') or 'nothing') end
  if d.later then zing.state.set('id', zing.publish('out', 'x', {after = '10s'})) end
  if d.cancel then zing.state.set('was', zing.cancel(d.cancel)) end
  if d.own then zing.state.set('was', zing.cancel(zing.state.get('id'))) end
  if d.sleep then zing.sleep('1h') end
end
