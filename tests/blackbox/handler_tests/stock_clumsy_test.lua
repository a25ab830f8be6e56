local t = test.handler("stock")

test("it sells once", function()
  t:sql("store", "insert *", {count = 1})
  t:send("stock/clumsy", "")
  t:published("store/clumsy")
end)
