local t = test.handler("shop")

local function send()
  t:send("shop/order", {id = "o-1", amount = 4200})
end

test("a wrong payload", function()
  t:http("POST", "/v1/charges", {json = {id = "ch_1"}})
  send()
  t:published("shop/sold", {id = "o-1", amount = 1, charge = test.any})
end)

test("a call without an answer", function()
  send()
end)

test("a missing publish", function()
  t:http("POST", "/v1/charges", {status = 500})
  send()
  t:published("shop/sold")
end)

test("a topic that nobody subscribes to", function()
  t:send("shop/orders", {id = "o-1"})
end)

test("an error in the test", function()
  local nothing
  nothing.at_all = 1
end)
