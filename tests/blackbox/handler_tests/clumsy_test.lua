local t = test.handler("clumsy")

test("it calls once", function()
  t:http("POST", "/once", {status = 200})
  t:send("clumsy/x", "")
  t:published("answered")
end)
