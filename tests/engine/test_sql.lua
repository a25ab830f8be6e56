--- ONCE
return function(e)
  local left = zing.sql.once('shop', 'sell', function()
    return zing.sql('shop', 'update items set stock = stock - 1 returning stock').rows[1].x
  end)
  zing.publish('out', left)
end

--- FAILS_INSIDE
return function(e)
  pcall(zing.sql.once, 'shop', 'sell', function() error('no') end)
  zing.publish('out', zing.sql('shop', 'select x').rows[1].x)
end

--- PLAIN
return function(e)
  zing.publish('out', zing.sql('shop', 'update items set x = $1 returning x', {e.payload}).rows[1].x)
end

--- UNDONE
return function(e)
  zing.sql.once('shop', 'sell', function() end)
  zing.saga():step('a', function() return 1 end, function() zing.publish('undone', 'yes') end)
  zing.reject('no')
end
