-- invoices.lua - bills an order. It knows the taxes of three countries.
local taxes = {de = 19, fr = 20, nl = 21}

local function tax_of(country)
  return taxes[country] or error("no tax rate for the country '" .. tostring(country) .. "'")
end

local function total_of(order)
  return order.amount * (100 + tax_of(order.country)) // 100
end

return function(event)
  local order = event.json
  order.total = total_of(order)
  zing.publish("shop/billed", order)
end
