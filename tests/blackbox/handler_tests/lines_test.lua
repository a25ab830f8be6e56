local t = test.handler("lines")

test("three lines are one batch", function()
  t:send_all("lines/x", {"one", "two", "three"})
  t:published("counted", {count = 3})
  t:not_published("counted")
end)
