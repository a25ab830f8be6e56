--- echo_script
return function(event)
  zing.publish('out', {key = event.key, attempt = event.attempt})
end

--- play_charges
return function(event)
  local answer = zing.http.post(zing.config.gateway_url .. '/v1/charges',
    {form = {amount = 100, currency = 'eur', source = 'tok'}})
  zing.publish('out', {key = event.key, status = answer.status, attempt = event.attempt})
end

--- a_kill_in_mid_handler_is_counted_as_a_crash_and_tried_again
return function(event)
  if event.attempt == 1 then zing.retry('10ms') end
  zing.log.info('on the processor')
  while true do end
end

--- what_is_put_off_comes_at_its_time_after_a_kill
local later = {}
later['in/retry'] = function(event)
  if event.attempt == 1 then zing.retry('2s', 'not yet') end
  zing.publish('out/retry', tostring(zing.now()))
end
later['in/snooze'] = function(event)
  if zing.now() < event.received_at + 2 then zing.snooze('2s') end
  zing.publish('out/snooze', tostring(zing.now()))
end
later['in/publish'] = function(event)
  zing.publish('in/time', 'x', {after = '2s'})
end
later['in/time'] = function() zing.publish('out/publish', tostring(zing.now())) end
later['in/lock'] = function() zing.lock('seat', {owner = 'me', ttl = '2s'}) end
function later.on_lock_expired(lock)
  zing.publish('out/lock', tostring(zing.now()))
end
later['in/start'] = function() zing.publish('out/start', tostring(zing.now())) end
return later

--- leaving_works_off_what_is_stored_and_ends_the_session
return function(event)
  if event.attempt == 1 then zing.retry('1s') end
  zing.publish('out', event.payload)
end
