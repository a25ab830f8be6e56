--- ACTS
--- What an event does is its payload's first word. What it stages must not leave if it is cancelled.
local acts = {
  call = function() zing.http.post('http://peer/') end,
  get = function() zing.http.get('http://peer/') end,
  mail = function() zing.mail {from = 'a@example.org', to = 'b@example.org', subject = 'x', text = 'x'} end,
  sleep = function() zing.sleep('10s') end,
  snooze = function(e) if e.attempt < 3 then zing.snooze('10s') end end,
  wait = function() zing.wait('go') end,
  all = function() zing.wait_all('go', 2) end,
  fail = function() error('on purpose') end,
  lock = function(e)
    zing.lock('seat', {ttl = '10s'})
    zing.step('pause', function() zing.state.set('step', e.payload) end)
    zing.http.post('http://peer/')
  end,
  loop = function(e) repeat until e.cancelled() end,
  go = function() end,
}
return function(e)
  zing.state.set('ran', e.payload)
  acts[e.payload:match('%a+')](e)
  zing.publish('out', e.payload)
end

--- a_long_run_gives_way_to_others
return function(e)
  if e.payload == 'long' then
    for _ = 1, 3 do assert(not e.cancelled()) end
  end
  zing.publish('out', e.payload)
end

--- where_a_handler_cannot_wait_it_is_told_without
local handlers = {}
handlers['in/#'] = function(e)
  local own = coroutine.wrap(function() return e.cancelled() end)
  local sorted = {2, 1}
  table.sort(sorted, function(a, b) return e.cancelled() or a < b end)
  assert(own() == false and sorted[1] == 1)
  error('on purpose')
end
handlers.on_dead = function(e)
  zing.publish('out', tostring(e.cancelled()))
end
return handlers

--- on_dead_hears_who_cancelled_it_and_why
local handlers = {}
handlers['in/#'] = function() zing.http.post('http://peer/charge') end
handlers.on_dead = function(_, reason) zing.publish('told', reason) end
return handlers

--- BATCHES
return function(events)
  local all = {}
  for i, e in ipairs(events) do all[i] = e.payload end
  local what = table.concat(all, ',')
  zing.http.post('http://peer/' .. what)
  zing.publish('out', what)
end

--- a_batch_that_gave_way_ends_too
return function(events)
  local all = {}
  for i, e in ipairs(events) do
    all[i] = e.payload
    if e.cancelled() then return end
  end
  zing.publish('out', table.concat(all, ','))
end

--- a_child_that_is_cancelled_can_tell_who_waits_for_it
local handlers = {}
handlers['in/parent'] = function()
  zing.step('fan out', function() zing.publish('in/child', 'go', {properties = {k = 'c'}}) end)
  zing.publish('out', zing.wait('done'))
end
handlers['in/child'] = function() zing.http.post('http://peer/') end
handlers.on_dead = function(_, reason) zing.signal('s', 'p', 'done', reason) end
return handlers

--- an_expired_lock_whose_handler_is_cancelled_is_free
local handlers = {}
handlers['in/#'] = function() zing.lock('seat', {owner = 'ann', ttl = 1}) end
function handlers.on_lock_expired() zing.http.get('http://peer/') end
return handlers
