-- sell.lua - a row in the database. The table would take it twice.
return function(event)
  local sale = event.json
  local serial = zing.sql.once("shop", "sell", function()
    return zing.sql("shop", "insert into sold (id, key, n) values ($1, $2, $3) returning serial",
      {sale.id, sale.key, sale.n}).rows[1].serial
  end)
  zing.publish("chaos/out/sell", {id = sale.id, serial = serial})
end
