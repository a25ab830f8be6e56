-- A booking as a saga: a seat, money, a mail; see kind_book.c.
local book = {}

local TRIES = 6 -- of an attempt that cannot pay

local function pay(e, m)
  local answer = zing.http.post("http://pay/charge", {body = m.n .. " " .. m.card})
  if answer.status == 402 then zing.reject("declined") end
  if answer.status ~= 200 then
    if e.attempt > TRIES then zing.reject("cannot be paid") end
    error("the till says " .. answer.status)
  end
  return answer.json().id
end

local function refund(m)
  local answer = zing.http.post("http://pay/refund", {body = tostring(m.n)})
  if answer.status ~= 200 then error("the till says " .. answer.status) end
end

book["in/book/+"] = function(e)
  local m = e.json
  local who, saga = tostring(m.n), zing.saga()
  saga:step("seat", function()
    if not zing.lock("seat/" .. m.seat, {owner = who}) then zing.reject("taken") end
  end, function() zing.unlock("seat/" .. m.seat, who) end)
  saga:step("charge", function() return pay(e, m) end, function() refund(m) end)
  if m.fate == "e" and e.attempt == 1 then error("as told") end
  if m.fate == "r" then zing.reject("refused as told") end
  if m.fate == "s" then zing.sleep(1.5) end
  zing.step("mail", function()
    zing.mail{to = "b" .. m.n .. "@sim", subject = "Your seat", text = "Seat " .. m.seat}
  end)
  zing.state.set("answer/" .. m.n, "confirmed", {ttl = "1h"})
  zing.publish("out/book/" .. m.k, m.n .. " confirmed")
end

function book.on_dead(e)
  local m = e.json
  zing.state.set("answer/" .. m.n, "rejected", {ttl = "1h"})
  zing.publish("out/book/" .. m.k, m.n .. " rejected")
end

return book
