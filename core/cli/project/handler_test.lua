-- @NAME@_test.lua - the tests of the service "@NAME@". With `zingq test --crash-everywhere` each runs
-- again with a crash of the host at each point.

local t = test.handler("@NAME@")

test("what the API answers is published, and kept", function()
  t:http("POST", "/@NAME@", {json = {price = 42}})
  t:send("@NAME@/request", {id = "1"})
  t:published("@NAME@/done/1", {price = 42})
  test.equal(t:state("1", "answer"), {price = 42})
end)

test("an API that fails is asked again, under the same key", function()
  t:http("POST", "/@NAME@", {status = 503}, test.connection_lost, {json = {price = 42}})
  t:send("@NAME@/request", {id = "1"})
  t:not_published("@NAME@/done/1")
  t:advance("1m")
  local first, second = t:called("POST", "/@NAME@"), t:called("POST", "/@NAME@")
  test.equal(second.key, first.key)
  t:published("@NAME@/done/1", {price = 42})
end)

test("what the API refuses is a dead letter, and waits for a person", function()
  t:http("POST", "/@NAME@", {status = 422, body = "no such thing"})
  t:send("@NAME@/request", {id = "1"})
  t:dead_letter("422 no such thing")
end)
