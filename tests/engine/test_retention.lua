--- HANDLER
--- "bad" fails always, "once" at first, "later" sleeps for an hour.
return function(e)
  if e.payload:find('^bad') then error('bad') end
  if e.payload == 'once' and e.attempt == 1 then error('once') end
  if e.payload == 'later' then zing.snooze(3600) end
end
