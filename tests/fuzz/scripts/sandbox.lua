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

-- What takes long to make is made when it is first used.
local later = {}

local function lazy(make)
  local mark = {}
  later[mark] = make
  return mark
end

local function shared()
  local made = {}
  for _ = 1, 60 do made = {made, made, a = nil} end
  return made
end

local function list()
  local made = {}
  for i = 1, 3000 do made[i] = i * 7919 % 3001 end
  return made
end

local function names()
  local made = {}
  for i = 1, 3000 do made["n" .. i * 7919 % 3001] = i end
  return made
end

local function chain()
  local made
  for _ = 1, 300 do
    local before = made
    made = coroutine.create(function()
      local last <close> = setmetatable({}, {__close = function()
        if before then coroutine.close(before) end
      end})
      coroutine.yield()
    end)
    coroutine.resume(made)
  end
  return made
end

local function times(text, count)
  return lazy(function() return text:rep(count) end)
end

local function hostile(event)
  local circle = {}
  circle[1], circle.me = circle, circle
  return {
    true, 0, 1, -1, 3, 255, 1 << 31, math.maxinteger, math.mininteger, 0.5, 1e308, -1 / 0, 0 / 0,
    "", "a", "x = 1", "%d%s%q%5.2f", ("%s"):rep(200), "(.-)%1", "%f[%w]", ("a?"):rep(20), "!1z<i16",
    times("x", 70000), times("\0", 70000), times("\u{20ac}", 30000), times("0", 70000),
    lazy(function() return "[" .. ("[],"):rep(20000) .. "1]" end), '{"a":[1,2,{"b":null}]}',
    times("[", 5000), "10m", "http://h/",
    {}, {1, 2, 3}, {"b", "a"}, {a = 1, b = {2, c = "3"}}, lazy(shared), lazy(list), lazy(names), circle,
    lazy(chain),
    setmetatable({}, {__metatable = "", __index = getmetatable}),
    setmetatable({}, {__index = table.unpack, __newindex = rawset}),
    setmetatable({}, {__len = function() return 1 << 60 end, __index = function() return "" end}),
    setmetatable({}, {__lt = forever, __tostring = forever, __call = same, __close = error}),
    setmetatable({}, {__mode = "k"}), print, error, string.rep, rawequal, table.sort, same, forever,
    coroutine.create(same), coroutine.wrap(forever), coroutine.wrap(coroutine.yield), event,
    zing.json.null, zing.json.array(), lazy(function() return {json = shared()} end),
    lazy(function() return {form = names()} end), lazy(function() return {form = {a = shared()}} end),
    {headers = {["X-A"] = "b"}, body = "c"}, {after = 1, key = "k", properties = {a = "b"}},
    {to = "a@b.c", subject = "s", text = "t"}, lazy(function() return {ttl = 5, owner = "me", data = list()} end),
  }
end

return function(event)
  local bytes, at = event.payload, 1
  local pool, place = hostile(event), 0
  local function byte()
    at = at + 1
    return bytes:byte(at - 1) or 0
  end
  local function take(i)
    local make = later[pool[i]]
    if make then pool[i] = make() end
    return pool[i]
  end
  while at <= #bytes do
    local f = functions[byte() % #functions + 1]
    local arguments, count = {}, byte() % 6
    for i = 1, count do arguments[i] = take(byte() % #pool + 1) end
    local results = table.pack(pcall(f, table.unpack(arguments, 1, count)))
    for i = 2, math.min(results.n, 4) do
      if results[i] ~= nil then
        place = place % #pool + 1
        pool[place] = results[i]
      end
    end
  end
end
