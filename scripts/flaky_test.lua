-- flaky_test.lua - a handler that fails is tried again until it succeeds, or the retries are used up.

local t = test.handler("flaky")

test("what a failed attempt would have published is not published", function()
  t:send("practice/flaky", {fails = 2})
  t:not_published("practice/recovered")
end)

test("it recovers at the third attempt, and says so once", function()
  t:send("practice/flaky", {fails = 2})
  t:advance("10s")
  t:published("practice/recovered", {attempt = test.any})
  t:not_published("practice/recovered")
end)

test("it is a dead letter when all retries have failed", function()
  t:send("practice/flaky", {fails = 100})
  t:advance("1m")
  test.equal(t:dead_letter("fails on purpose").attempts, 6)
end)
