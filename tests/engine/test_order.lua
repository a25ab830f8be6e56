--- HANDLER
--- Publishes "key/number", fails at first when the payload ends in "!", waits when in "?".
return function(e)
  local n = e.payload:match('%d+')
  if e.payload:find('!') and e.attempt == 1 then error('once') end
  if e.payload:find('?', 1, true) then zing.http.get('http://peer/') end
  zing.publish('out/' .. e.key, n)
end

--- without_order_counts_of_one_key_add_up
return function(e)
  zing.state.incr('n', 2)
  zing.http.get('http://peer/')
end
