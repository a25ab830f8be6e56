local t = test.handler("shopp")
test("it runs", function() t:send("shop/order", {}) end)
