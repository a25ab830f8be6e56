--- HANDLER
--- Fails on what begins with "bad", until the script is mended.
return function(e)
  if e.payload:find('^bad') then error('bad') end
  zing.publish('out', e.payload)
end

--- a_dead_letter_of_the_handlers_own_can_be_replayed
return function(e)
  if e.payload == 'first' then zing.dead_letter('second', 'why') return end
  zing.publish('out', e.payload .. ' ' .. e.key)
end
