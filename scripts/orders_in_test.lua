-- orders_in_test.lua - the tests of the service "warehouse": wrong orders wait for a person.

local t = test.handler("warehouse")

test("orders are counted by sku", function()
  t:send("practice/order", {sku = "A-1", count = 2})
  t:send("practice/order", {sku = "B-1", count = 5})
  t:send("practice/order", {sku = "A-1", count = 3})
  t:published("practice/ordered/A-1", {sku = "A-1", ordered = 5})
  test.equal(t:state("A-1", "ordered"), 5)
  test.equal(t:state("B-1", "ordered"), 5)
end)

test("a wrong count is a dead letter at once, and told to whoever reads the file", function()
  t:send("practice/order", {sku = "A-1", count = "two"})
  local letter = t:dead_letter("count must be a whole number from 1, not two")
  test.equal(letter.attempts, 1)
  test.equal(t:file("rejected-orders.log"), letter.id .. ": count must be a whole number from 1, not two\n")
end)

test("an order without a sku has no key, and never reaches the handler", function()
  t:send("practice/order", {count = 1})
  t:dead_letter("/sku")
end)
