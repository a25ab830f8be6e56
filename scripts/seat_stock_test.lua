-- seat_stock_test.lua - the tests of the service "stock": the seats that orders ask for.

local t = test.handler("stock")

local function ask(what, id)
  t:send("order/seat/" .. what, {booking_id = id, event_id = "jazz", seat = "A1"})
end

local function holder()
  local lock = t:lock("jazz", "A1")
  return lock and lock.owner
end

test("a free seat is held by the first order that asks", function()
  ask("hold", "b-1")
  ask("hold", "b-2")
  test.equal(holder(), "b-1")
end)

test("a hold runs out", function()
  ask("hold", "b-1")
  t:advance("10m")
  ask("hold", "b-2")
  test.equal(holder(), "b-2")
end)

test("only who holds a seat can buy it", function()
  ask("hold", "b-1")
  ask("sell", "b-2")
  test.equal(t:state("jazz", "sold/A1"), nil)
  ask("sell", "b-1")
  test.equal(t:state("jazz", "sold/A1"), "b-1")
end)

test("undoing frees what the order had, and nothing else", function()
  ask("hold", "b-1")
  ask("free", "b-2")
  test.equal(holder(), "b-1")
  ask("sell", "b-1")
  ask("free", "b-1")
  test.equal(t:state("jazz", "sold/A1"), nil)
end)
