--- run_error_has_the_message_the_place_and_a_traceback
local t = nil
return t.x

--- run_picks_the_most_specific_filter
local function say(x) return function() zing.reject(x) end end
return {['#'] = say('all'), ['a/#'] = say('under a'),
['a/+/c'] = say('plus'), ['+/b/c'] = say('first plus'),
['a/b/c'] = say('exact'), ['a/b/#'] = say('under a/b')}

--- run_reuses_its_coroutines_after_every_kind_of_end
local j = event.json
if j.kind == 'error' then error('e') elseif j.kind == 'retry' then zing.retry(1)
elseif j.kind == 'loop' then while true do end
elseif j.kind == 'call' then xpcall(zing.http.get, print, 'http://a/') end

--- run_event_has_its_fields
assert(event.id == '0192f0c1-0000-7000-8000-000000000001')
assert(event.topic == 'test/topic' and event.key == 'k1')
assert(#event.levels == 2 and event.levels[2] == 'topic')
assert(event.payload == '{"x":5,"list":[]}')
assert(event.json.x == 5 and event.attempt == 1 and event.qos == 1)
assert(event.received_at == 1700000000.0 and event.service == 'svc')
assert(event.replayed == false and event.cause == nil and event.content_type == nil)
assert(not pcall(function() return event.nonsense end) and next(event.properties) == nil)
local n = 0 for k, v in pairs(event) do n = n + 1 end assert(n >= 11)
event.mine = 1 assert(event.mine == 1)

--- run_event_kept_too_long_is_an_error
local kept
return function(event)
if kept then return kept.topic end
kept = event end

--- run_that_is_cancelled_is_told_from_then_on
local kept
return function(event)
  if kept then return kept() end
  kept = event.cancelled
  local told = {}
  for i = 1, 3 do told[i] = tostring(kept()) end
  for name in pairs(event) do assert(name ~= 'cancelled') end
  zing.publish('a', table.concat(told, ' '))
end

--- run_gives_an_expired_lock_to_its_own_function
return {['#'] = function() error('wrong one') end,
on_lock_expired = function(lock)
assert(lock.name == 'A1' and lock.owner == 'b1' and lock.key == 'k1')
assert(lock.expires_at == 1700000000.5 and lock.data.price == 10)
zing.publish('released', lock.name) end}

--- run_calls_wait_across_pcall_metamethods_and_iterators
local t = setmetatable({}, {__index = function(_, k)
  local ok, r = pcall(zing.http.get, 'http://h/' .. k) return r.body end})
local function each() return function(_, i) i = (i or 0) + 1
  if i < 3 then return i, t['k' .. i] end end end
local got = '' for _, v in each() do got = got .. v end
zing.reject(got)

--- with_policy
return {['#'] = function() end,
on_dead = function(event, reason)
zing.publish('gone', reason) end}

--- run_retry_policy_says_when_or_gives_up
return function(event, err)
if event.attempt > 2 then return {dead = 'enough: ' .. err} end
return {after = event.attempt * 2} end

--- run_dead_policy_may_discard_and_publish
return function(event, reason)
if reason == 'old' then return 'discard' end
zing.publish('alarm', reason) end
