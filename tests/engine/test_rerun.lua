--- HANDLER
--- Tells what it saw; "bad" fails until the script is mended.
return function(e)
  if e.payload:find('^bad') then error('bad') end
  zing.publish('out', e.payload .. (e.replayed and '*' or ''))
end

--- MENDED
return function(e)
  zing.publish('out', e.payload .. (e.replayed and '*' or ''))
end

--- what_rounds_published_is_kept_within_bounds
return function(e)
  for i = 1, 1000 do zing.publish('out/with/a/long/name', '') end
end

--- the_expiry_of_a_lock_is_refused
local s = {}
s['in/+'] = function() zing.lock('l', {owner = 'o', ttl = 5, data = 'd'}) end
function s.on_lock_expired() zing.publish('expired', '') end
return s

--- CALLING
--- The same with a call before, which the peer accepts.
return function(e)
  zing.http.post('http://peer/')
  if e.payload:find('^bad') then error('bad') end
  zing.publish('out', e.payload .. (e.replayed and '*' or ''))
end
