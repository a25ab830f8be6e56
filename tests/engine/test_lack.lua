--- LARGE
local h = {}
h["in/large"] = function() zing.reject("as told") end
h["in/other"] = function() zing.publish("out", "other") end
function h.on_dead() zing.publish("out", #string.rep("x", 2 << 20)) end
return h

--- LONG_ERROR
return {["in/long"] = function() error(string.rep("x", 3000)) end,
        ["in/other"] = function() zing.publish("out", "other") end}
