-- shaky_payment.lua - the service "payments" of the demo: payment.lua, which fails now and then.
--
-- Of the first attempts one in twelve raises an error after the gateway has charged the card. What the
-- handler published is then dropped with the attempt; the next one gets the same charge from the
-- gateway, under the same key. Nobody pays twice, nobody waits for an answer in vain.

local payment = require("payment")

local shaky = {on_dead = payment.on_dead}

for topic, handle in pairs(payment) do
  if topic ~= "on_dead" then
    shaky[topic] = function(event)
      handle(event)
      if event.attempt == 1 and math.random() < 1 / 12 then
        error("made to fail by the demo", 0)
      end
    end
  end
end

return shaky
