--- count_script
return function(event)
  local n = zing.state.incr('n')
  zing.publish('mid/x', {id = event.json.id, key = event.json.key, n = n})
end

--- tell_script
return function(event)
  local m = zing.state.incr('m')
  if event.json.n % 5 == 0 and event.attempt == 1 then error('once') end
  zing.publish('end/' .. event.json.id, {id = event.json.id, key = event.json.key,
                                         n = event.json.n, m = m})
end
