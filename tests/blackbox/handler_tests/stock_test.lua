local t = test.handler("stock")
local item = {rows = {{price = "9.90", tags = {"new"}}}}

local function sells()
  t:sql("store", "select price, * from items where id = $1", item)
  t:sql("store", "insert into sales *", {count = 1})
  t:sql("store", "update items *", {rows = {{stock = 4}}, count = 1})
end

test("rows come as a database gives them", function()
  local columns = {"ok", "id", "price", "doc", "none"}
  t:sql("store", "select * from items", {columns = columns, count = 7, rows = {
    {id = 1, price = 1, ok = false, doc = {a = 1}, none = test.null},
    {id = 2, price = 2.5, doc = "text"},
  }}, {rows = {{b = 1}, {a = 2}}}, {})
  t:send("stock/show", "")
  local shown = t:published("store/shown", {columns = columns, count = 7, rows = {
    {id = 1, price = 1, ok = false, doc = {a = 1}},
    {id = 2, price = 2.5, doc = "text"},
  }})
  test.equal(math.type(shown.json.rows[1].id), "integer")
  t:send("stock/show", "")
  t:published("store/shown", {columns = {"b", "a"}, count = 2, rows = {{b = 1}, {a = 2}}})
  t:send("stock/show", "")
  t:published("store/shown", {columns = {}, count = 0, rows = {}})
end)

test("a handler goes on with the rows, and a statement is seen with its parameters", function()
  sells()
  t:send("stock/order", {item = "pen"})
  t:published("store/left", {item = "pen", price = "9.90", tag = "new", left = 4})
  test.equal(t:executed("store", "select * from items where id = $1").params, {"pen"})
  local sale = t:executed("store", "insert into sales *")
  test.equal(sale.params, {test.any, "pen", test.null})
  test.equal(sale.once, "sell")
  t:executed("store", function(call) return call.statement:find("^update") ~= nil end)
  t:not_executed("store")
end)

test("what an event has done once is not done again", function()
  sells()
  t:sql("store", "select price, * from items where id = $1", item)
  t:send("stock/order", {item = "pen"})
  t:crash()
  t:published("store/left")
  t:executed("store", "insert *")
  t:not_executed("store", "insert *")
end)

test("answers come one after the other, by a function, late, or not at all", function()
  sells()
  t:sql("store", "select *", test.unreachable, test.no_answer, {sqlstate = "40001", message = "conflict"},
    function(call) return {after = "2s", rows = {{tags = {call.params[1]}}}} end)
  t:send("stock/order", {item = "pen"})
  t:not_published("store/left")
  t:advance("5m")
  t:published("store/left", test.like {tag = "pen"})
end)

test("an error has its SQLSTATE", function()
  t:sql("store", "insert into notes *", {}, {sqlstate = "23505", message = "duplicate key"}, {sqlstate = "42P01"})
  t:send("stock/note", {id = 1})
  t:published("store/noted", "new")
  t:send("stock/note", {id = 1})
  t:published("store/noted", "known")
  t:send("stock/note", {id = 1})
  t:dead_letter("SQLSTATE 42P01")
end)

test("a transaction in which a statement failed cannot go on", function()
  t:sql("store", "insert into notes *", {sqlstate = "23505"})
  t:send("stock/careless", "")
  t:not_published("store/careless")
  local history = t:events()[1].history
  test.equal(history[#history].text:find("current transaction is aborted, .* %(SQLSTATE 25P02%)") ~= nil, true)
  t:not_executed("store", "insert into sales *")
end)

test("the undo of a saga executes compensations, and nothing else that writes", function()
  t:sql("store", "select *", {rows = {{price = 1}, {price = 2.5}}})
  t:sql("store", "*", {count = 1})
  t:sql("store", "select *", {rows = {{price = 1}}})
  t:send("stock/trip", "")
  t:dead_letter("sold out")
  test.equal(t:executed("store", "update items set reserved = reserved - $1").params, {"1"})
  t:executed("store", "insert into log *")
  t:not_executed("store", "insert into log *")
  t:executed("store", "insert into sales *")
  t:not_executed("store", "insert into sales *")
end)
