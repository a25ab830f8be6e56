-- Calls any function of the sandbox with any arguments: a byte of the payload for the function, one
-- for how many arguments, one for each. What comes back is an argument later.

local functions, seen = {}, {}

local function collect(from)
  if seen[from] then return end
  seen[from] = true
  local names = {}
  for name in pairs(from) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = from[name]
    if type(value) == "function" then
      functions[#functions + 1] = value
    elseif type(value) == "table" then
      collect(value)
    end
  end
end
collect(_G)

local function forever()
  while true do end
end

local function same(...)
  return ...
end

local function hostile(event)
  local shared, list, names = {}, {}, {}
  local chain
  for _ = 1, 60 do shared = {shared, shared, a = nil} end
  for i = 1, 3000 do list[i] = i * 7919 % 3001 end
  for i = 1, 3000 do names["n" .. list[i]] = i end
  for _ = 1, 300 do
    local before = chain
    chain = coroutine.create(function()
      local last <close> = setmetatable({}, {__close = function()
        if before then coroutine.close(before) end
      end})
      coroutine.yield()
    end)
    coroutine.resume(chain)
  end
  local circle = {}
  circle[1], circle.me = circle, circle
  return {
    true, 0, 1, -1, 3, 255, 1 << 31, math.maxinteger, math.mininteger, 0.5, 1e308, -1 / 0, 0 / 0,
    "", "a", "x = 1", "%d%s%q%5.2f", ("%s"):rep(200), "(.-)%1", "%f[%w]", ("a?"):rep(20), "!1z<i16",
    ("x"):rep(70000), ("\0"):rep(70000), ("\u{20ac}"):rep(30000), ("0"):rep(70000),
    "[" .. ("[],"):rep(20000) .. "1]", '{"a":[1,2,{"b":null}]}', ("["):rep(5000), "10m", "http://h/",
    {}, {1, 2, 3}, {"b", "a"}, {a = 1, b = {2, c = "3"}}, shared, list, names, circle, chain,
    setmetatable({}, {__metatable = "", __index = getmetatable}),
    setmetatable({}, {__index = table.unpack, __newindex = rawset}),
    setmetatable({}, {__len = function() return 1 << 60 end, __index = function() return "" end}),
    setmetatable({}, {__lt = forever, __tostring = forever, __call = same, __close = error}),
    setmetatable({}, {__mode = "k"}), print, error, string.rep, rawequal, table.sort, same, forever,
    coroutine.create(same), coroutine.wrap(forever), coroutine.wrap(coroutine.yield), event,
    zing.json.null, zing.json.array(), {json = shared}, {form = names}, {form = {a = shared}},
    {headers = {["X-A"] = "b"}, body = "c"}, {after = 1, key = "k", properties = {a = "b"}},
    {to = "a@b.c", subject = "s", text = "t"}, {ttl = 5, owner = "me", data = list},
  }
end

return function(event)
  local bytes, at = event.payload, 1
  local pool, place = hostile(event), 0
  local function byte()
    at = at + 1
    return bytes:byte(at - 1) or 0
  end
  while at <= #bytes do
    local f = functions[byte() % #functions + 1]
    local arguments, count = {}, byte() % 6
    for i = 1, count do arguments[i] = pool[byte() % #pool + 1] end
    local results = table.pack(pcall(f, table.unpack(arguments, 1, count)))
    for i = 2, math.min(results.n, 4) do
      if results[i] ~= nil then
        place = place % #pool + 1
        pool[place] = results[i]
      end
    end
  end
end
