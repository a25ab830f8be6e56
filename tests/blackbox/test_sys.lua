--- script
--- By payload: waits an hour for its second attempt, is dead at once, or is done.
return function(event)
  if event.payload == 'later' then error('not now') end
  if event.payload == 'never' then zing.reject('no') end
end
