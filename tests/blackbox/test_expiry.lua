--- hold_script
local hold = {}
hold['in/x'] = function(event)
  zing.lock('seat', {owner = event.json.id, ttl = '100ms', data = event.json})
end
function hold.on_lock_expired(lock)
  zing.publish('out/' .. lock.owner, lock.data)
end
return hold
