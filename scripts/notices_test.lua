-- notices_test.lua - the tests of the service "notices".

local t = test.handler("notices")

test("each notice is counted and written down", function()
  t:send("practice/notice", "stock changed")
  t:send("practice/notice", "prices\nchanged")
  t:published("practice/noticed", {notice = "stock changed", seen = 1})
  t:published("practice/noticed", {notice = "prices\nchanged", seen = 2})
  test.equal(t:file("notices.log"), "stock changed\nprices changed\n")
end)
