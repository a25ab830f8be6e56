--- LARGE
local h = {}
h["in/large"] = function() zing.reject("as told") end
h["in/other"] = function() zing.publish("out", "other") end
function h.on_dead() zing.publish("out", #string.rep("x", 2 << 20)) end
return h

--- LONG_ERROR
return {["in/long"] = function() error(string.rep("x", 3000)) end,
        ["in/other"] = function() zing.publish("out", "other") end}

--- LARGE_WORK
local h = {}
local function work() return #string.rep("x", 2 << 20) end
h["in/work"] = function() zing.publish("out", work()) end
h["in/undone"] = function()
  zing.saga():step("one", function() zing.http.post("http://peer/") end, function()
    zing.publish("out", work())
  end)
  zing.reject("as told")
end
return h
