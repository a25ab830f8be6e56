--- memory_that_one_service_keeps_is_not_another_ones
local kept, n = {}, 0
return function() n = n + 1 kept[n] = ('x'):rep(1000000) .. n zing.reject('kept') end

--- a_state_that_keeps_too_much_is_replaced
local kept, n = {}, 0
return function() n = n + 1 kept[n] = ('x'):rep(1000000) .. n
zing.reject('kept ' .. n) end

--- draw
return function() math.randomseed(7) local a = math.random(1 << 40)
math.randomseed(7) zing.reject(a .. '') end
