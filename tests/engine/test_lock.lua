--- SEATS
--- A payload "name owner ttl" locks; "name owner" unlocks. Both tell what came of it.
local s = {}
s['in/#'] = function(e)
  local name, owner, ttl = e.payload:match('^(%S+) (%S+) ?(%S*)$')
  if ttl == '' then
    zing.publish('out', 'unlock ' .. tostring(zing.unlock(name, owner)))
    return
  end
  local ok, holder = zing.lock(name, {owner = owner, ttl = tonumber(ttl), data = {o = owner}})
  zing.publish('out', ok and 'held by ' .. owner or 'refused for ' .. holder)
end
function s.on_lock_expired(lock)
  zing.publish('out', 'expired ' .. lock.name .. ' ' .. lock.owner .. ' ' .. lock.data.o)
end
return s

--- an_expiry_tells_of_its_own_lock_only
local s = {}
s['in/#'] = function(e)
  if e.payload == 'free' then zing.unlock('L', 'ann') return end
  if e.payload == 'slow' then zing.http.get('http://peer') return end
  zing.lock('L', {owner = e.payload, ttl = 5})
end
function s.on_lock_expired(lock) zing.publish('out', lock.owner) end
return s

--- an_expiry_runs_in_its_lane_behind_what_was_there
local s = {}
s['in/#'] = function(e)
  if e.payload == 'lock' then zing.lock('L', {ttl = 10}) return end
  zing.http.get('http://peer')
  zing.publish('out', e.payload)
end
function s.on_lock_expired() zing.publish('out', 'expired') end
return s

--- an_expiry_handler_that_fails_is_retried_and_frees_the_lock_in_the_end
local s = {}
s['in/#'] = function(e)
  zing.publish('out', tostring(zing.lock('L', {owner = e.payload, ttl = 10})))
end
function s.on_lock_expired() error('no') end
return s

--- lock
local s = {}
s['in/#'] = function(e) zing.lock('A1', {ttl = 10}) end

--- without_an_expiry_handler_a_lock_is_just_free
return function(e)
  zing.publish('out', tostring(zing.lock('L', {owner = e.payload, ttl = 10})))
end

--- a_lock_with_bytes_that_are_no_text_expires_like_any_other
local s = {}
s['in/#'] = function(e) zing.lock('\xff\xfe', {owner = '\xc3', ttl = 10}) end
function s.on_lock_expired(lock) zing.publish('out', 'expired') end
return s

--- without_order_two_takers_of_one_lock_do_not_both_get_it
return function(e)
  local ok = zing.lock('L', {owner = e.payload, ttl = 600})
  zing.http.get('http://peer')
  zing.publish('out', e.payload .. ' ' .. tostring(ok))
end

--- state_is_of_one_service_and_key
return function(e)
  zing.state.incr('n')
  zing.state.set('last', {p = e.payload})
end

--- state_set_again_without_a_ttl_stays
return function(e)
  zing.state.set('v', e.payload, e.payload == '1' and {ttl = 10} or nil)
end

--- a_handler_sees_committed_state_of_its_key_and_peeks_at_others
return function(e)
  local seen = zing.state.get('n') or 0
  local other = zing.peek('s', 'b', 'n') or 0
  zing.state.set('n', seen + 1)
  zing.publish('out', seen .. '/' .. other)
end
