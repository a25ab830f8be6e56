local t = test.handler("stock")

test("a statement without an answer", function()
  t:send("stock/order", {item = "pen"})
end)

test("an answer that no database gives", function()
  t:sql("store", "*", {status = 200})
  t:send("stock/order", {item = "pen"})
end)

test("a value without a column", function()
  t:sql("store", "*", {columns = {"price"}, rows = {{price = 1}, {prize = 1}}})
  t:send("stock/order", {item = "pen"})
end)

test("a SQLSTATE that is none", function()
  t:sql("store", "*", {sqlstate = "2350"})
  t:send("stock/order", {item = "pen"})
end)

test("a statement that was not executed", function()
  t:sql("store", "*", {rows = {}})
  t:send("stock/order", {item = "pen"})
  t:executed("store", "delete *")
end)
