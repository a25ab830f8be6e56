-- Sells what is in stock, in a database.
local stock = {}

stock["stock/order"] = function(event)
  local order = event.json
  local item = zing.sql("store", "select price, tags\n  from items where id = $1", {order.item}).rows[1]
  if not item then zing.reject("no such item") end
  local left = zing.sql.once("store", "sell", function()
    zing.sql("store", "insert into sales (event, item, note) values ($1, $2, $3)", {event.id, order.item, zing.json.null})
    return zing.sql("store", "update items set stock = stock - 1 where id = $1 returning stock", {order.item}).rows[1].stock
  end)
  zing.publish("store/left", {item = order.item, price = item.price, tag = item.tags[1], left = left})
end

stock["stock/show"] = function()
  zing.publish("store/shown", zing.sql("store", "select * from items"))
end

stock["stock/note"] = function(event)
  local ok, err = pcall(zing.sql, "store", "insert into notes (id) values ($1)", {event.json.id})
  if not ok and err.sqlstate ~= "23505" then error(err, 0) end
  zing.publish("store/noted", ok and "new" or "known")
end

stock["stock/careless"] = function()
  zing.sql.once("store", "careless", function()
    pcall(zing.sql, "store", "insert into notes (id) values (1)")
    zing.sql("store", "insert into sales (item) values (1)")
  end)
  zing.publish("store/careless", "")
end

stock["stock/trip"] = function(event)
  local price = zing.sql("store", "select price from items").rows[1].price
  zing.saga():step("reserve", function()
    zing.sql("store", "update items set reserved = reserved + 1")
  end, function()
    zing.sql("store", "update items set reserved = reserved - $1", {1})
  end)
  zing.sql.once("store", "sell", function() zing.sql("store", "insert into sales (item) values (1)") end)
  zing.sql("store", "insert into log (price) values ($1)", {price})
  zing.reject("sold out")
end

-- Another name each time: what a crash repeats takes effect twice.
stock["stock/clumsy"] = function()
  zing.sql.once("store", zing.uuid(), function()
    zing.sql("store", "insert into sales (item) values (1)")
  end)
  zing.publish("store/clumsy", "")
end

return stock
