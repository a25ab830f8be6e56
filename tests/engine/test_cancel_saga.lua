--- PAYS
--- A saga whose second step waits for a call; "slow" gives way in it instead.
return function(e)
  local saga = zing.saga()
  saga:step('seat', function() return 'A1' end, function() zing.http.post('http://peer/free') end)
  saga:step('pay', function()
    if e.payload == 'slow' then
      repeat until e.cancelled()
      error('stopped')
    end
    zing.http.post('http://peer/pay')
  end, function(_, how) zing.publish('undid', 'pay ' .. how) end)
  zing.publish('out', e.payload)
end
