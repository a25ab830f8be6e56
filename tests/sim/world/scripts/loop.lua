-- Hostile handlers; see kind_loop.c.
local deed = {}

deed["nothing"] = function() end

deed["many"] = function()
  for i = 1, 300 do zing.publish("void/" .. i, i) end
end

deed["state"] = function()
  zing.state.set("large", string.rep("s", 1 << 17), {ttl = "1m"})
end

deed["loop"] = function()
  while true do end
end

deed["pcall"] = function()
  while true do pcall(function() while true do end end) end
end

deed["close"] = function()
  local co = coroutine.create(function()
    local held <close> = setmetatable({}, {__close = function() while true do end end})
    coroutine.yield()
  end)
  coroutine.resume(co)
  coroutine.close(co)
end

deed["pattern"] = function()
  string.rep("a", 40):find(string.rep("a?", 40) .. string.rep("a", 40) .. "b")
end

deed["alloc"] = function()
  local t = {}
  while true do t[#t + 1] = string.rep("m", 1 << 20) .. #t end
end

deed["rep"] = function()
  return string.rep("m", 1 << 31)
end

deed["deep"] = function()
  local function down() return 1 + down() end
  return down()
end

deed["huge"] = function()
  error(string.rep("x", 1 << 20), 0)
end

deed["object"] = function()
  error(setmetatable({}, {__tostring = function() error("not even that") end}))
end

deed["sort"] = function()
  local t = {}
  for i = 1, 500 do t[i] = i % 7 end
  table.sort(t, function() return true end)
  error("sorted by chance")
end

deed["too many"] = function()
  for i = 1, 10001 do zing.state.set("s" .. i % 100, i) end
  for i = 1, 10001 do zing.publish("void/x", i) end
end

deed["too large"] = function()
  zing.state.set("large", string.rep("s", (1 << 20) + 1))
end

deed["json"] = function()
  local t = {}
  t[1] = t
  zing.publish("void/x", t)
end

deed["yield"] = function()
  coroutine.yield("out")
  error("nobody was there")
end

deed["coroutine"] = function()
  local co
  co = coroutine.wrap(function() return co() end)
  co()
end

return function(e)
  deed[e.json.deed]()
  zing.publish("out/loop/" .. e.key, tostring(e.json.n))
end
