-- Sells in a database, each part once; see kind_sell.c.

-- A transaction of two statements: how much of the item was sold by then.
local function once(m, name, fails)
  return zing.sql.once("shop", name, function()
    zing.sql("shop", "insert into sales (number, name) values ($1, $2)", {m.n, name})
    if fails then error("as told") end
    local sold = zing.sql("shop", "update items set sold = sold + 1 where item = $1 returning sold", {m.k})
    return sold.rows[1].sold
  end)
end

return function(e)
  local m = e.json
  local fate = (m.fate or ""):sub(e.attempt, e.attempt)
  local sell = once(m, "sell", fate == "i")
  if fate == "e" then error("as told") end
  if fate == "s" then zing.sleep(0.5) end
  local gift = zing.step("gift", function()
    local sold = once(m, "gift")
    if fate == "g" then error("as told") end
    return sold
  end)
  if m.lend and not e.replayed then
    zing.saga():step("lend", function() return once(m, "lend") end, function() return once(m, "back") end)
  end
  if m.dies and not e.replayed then zing.reject("as told") end
  zing.step("seen", function()
    zing.sql("shop", "insert into seen (number) values ($1) on conflict do nothing", {m.n})
  end)
  zing.publish("out/sell/" .. m.k, ("%d %d %d"):format(m.n, sell, gift))
end
