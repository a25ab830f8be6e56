-- Without test(...) the file is one test.
local t = test.handler("ledger")
t:http("POST", "/v1/entries", test.unreachable, {status = 200})
t:send("shop/sold", {id = "o-1", amount = 1})
t:advance("1m")
t:mailed("books@example.org")
