--- writes_the_state_of_its_key
return function(e)
  local n = zing.step('first', function() zing.publish('did', 'it') return 7 end)
  if e.json.who == '' then zing.reject('nobody') end
  zing.state.set('sold_to', e.json.who)
  zing.publish('out', e.json.who .. n)
end

--- rejects_what_says_so
return function(e)
  if e.payload:find('bad') then zing.reject('bad') end
  zing.publish('out', e.payload)
end

--- charges
return function(e)
  local r = zing.http.post('http://peer/', {body = e.payload})
  if r.status ~= 200 then zing.reject('refused') end
  if e.payload == 'late' and e.attempt == 1 then error('after the call') end
end

--- charges_in_steps
return function(e)
  zing.step('reserve', function() return zing.http.post('http://peer/r', {body = e.payload}).status end)
  zing.step('charge', function()
    local r = zing.http.post('http://peer/c', {body = e.payload})
    if r.status ~= 200 then zing.reject('refused') end
  end)
end

--- books_in_a_saga
return function(e)
  local saga = zing.saga()
  saga:step('book', function() return zing.http.post('http://peer/book', {body = e.payload}).status end,
    function() zing.http.post('http://peer/unbook', {body = e.payload}) end)
  if zing.http.post('http://peer/pay', {body = e.payload}).status ~= 200 then zing.reject('refused') end
end
