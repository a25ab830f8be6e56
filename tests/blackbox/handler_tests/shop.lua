local shop = {}

shop["shop/order"] = function(event)
  local order = event.json
  zing.log.info("charging", {id = order.id, token = #zing.secret("token")})
  local answer = zing.http.post(zing.config.gateway .. "/v1/charges", {json = {amount = order.amount}})
  if answer.status ~= 200 then error("the gateway says " .. answer.status, 0) end
  zing.state.incr("sold")
  zing.publish("shop/sold", {id = order.id, amount = order.amount, charge = answer.json().id})
end

return shop
