--- write_chain
return function(event)
  zing.append('third.log', event.json.id)
  zing.publish('chain/end', {id = event.json.id, key = event.key,
                             n = zing.state.incr('n')})
end

--- assert_refusals_hold_up_nobody
local work = {}
work['in/sys'] = function() zing.reject('its letter is announced under $SYS') end
work['in/large'] = function() zing.publish('out/large', ('x'):rep(5000)) end
work['in/good'] = function(event) zing.publish('out/good', event.payload) end
return work
