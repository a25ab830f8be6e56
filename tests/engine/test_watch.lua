--- HANDLER
return function(e)
  if e.payload == 'bad' then error('no such seat\nsecond') end
end
