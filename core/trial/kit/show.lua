-- show.lua - values as text, and how two of them differ; the first half of the test kit.
--
-- What a test expects may hold test.any, test.like{...} and functions: `fit` puts in their place what
-- was found there if it fits, so that comparing and showing know nothing of them.

local show = {}

show.any = setmetatable({}, {__name = "test.any"})
local LIKE = {__name = "test.like"}

function show.like(fields)
  return setmetatable({fields = fields}, LIKE)
end

local function is_like(value)
  return getmetatable(value) == LIKE
end

-- ---- comparing ----------------------------------------------------------------------------------

function show.fit(expected, actual)
  if expected == show.any then
    return actual == nil and show.any or actual
  elseif type(expected) == "function" then
    local ok, fits = pcall(expected, actual)
    return ok and fits and actual or expected
  elseif type(expected) ~= "table" then
    return expected
  end
  local like = is_like(expected)
  local result = {}
  if like and type(actual) == "table" then
    for name, value in pairs(actual) do result[name] = value end
  end
  for name, value in pairs(like and expected.fields or expected) do
    local found = type(actual) == "table" and actual[name] or nil
    if type(actual) == "table" and actual[name] == false then found = false end
    result[name] = show.fit(value, found)
  end
  return result
end

local function same(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" then return false end
  for name, value in pairs(a) do
    if not same(value, b[name]) then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

function show.equal(expected, actual)
  return same(show.fit(expected, actual), actual)
end

-- ---- values as text -----------------------------------------------------------------------------

local function quote(text)
  return (("%q"):format(text):gsub("\\\n", "\\n"):gsub("\\9", "\\t"):gsub("\\13", "\\r"))
end

-- Numbers first, then texts, each in order.
local function sorted_names(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    if type(a) ~= type(b) then return type(a) == "number" end
    return type(a) == "boolean" and tostring(a) < tostring(b) or type(a) ~= "boolean" and a < b
  end)
  return names
end

local function add_value(lines, indent, label, value, after)
  local function add(text) lines[#lines + 1] = indent .. label .. text .. after end
  if value == show.any then
    add("test.any")
  elseif type(value) == "string" then
    add(quote(value))
  elseif type(value) == "userdata" then
    add("null")
  elseif type(value) ~= "table" then
    add(tostring(value))
  elseif next(value) == nil then
    add("{}")
  else
    lines[#lines + 1] = indent .. label .. "{"
    for _, name in ipairs(sorted_names(value)) do
      local plain = type(name) == "string" and name:find("^[%a_][%w_]*$")
      local own = type(name) == "number" and "" or (plain and name or "[" .. quote(tostring(name)) .. "]") .. " = "
      add_value(lines, indent .. "  ", own, value[name], ",")
    end
    lines[#lines + 1] = indent .. "}" .. after
  end
end

local function lines_of(value)
  local lines = {}
  add_value(lines, "", "", value, "")
  return lines
end

function show.value(value)
  local lines = lines_of(value)
  for i = 2, #lines do lines[i] = lines[i]:gsub("^ +", "") end
  local text = table.concat(lines, " "):gsub(",( })", "%1")
  return #text <= 160 and text or text:sub(1, 157) .. "..."
end

-- ---- differences --------------------------------------------------------------------------------

local DIFF_LINES_MAX = 500

-- Lengths of the longest common subsequences of a[i...] and b[j...].
local function common(a, b)
  local lengths = {}
  for i = #a + 1, 1, -1 do
    lengths[i] = {}
    for j = #b + 1, 1, -1 do
      if i > #a or j > #b then
        lengths[i][j] = 0
      elseif a[i] == b[j] then
        lengths[i][j] = lengths[i + 1][j + 1] + 1
      else
        lengths[i][j] = math.max(lengths[i + 1][j], lengths[i][j + 1])
      end
    end
  end
  return lengths
end

-- "- " before what was expected, "+ " before what came.
function show.diff(expected, actual)
  local a, b = lines_of(show.fit(expected, actual)), lines_of(actual)
  local out = {"- expected", "+ actual"}
  local long = #a > DIFF_LINES_MAX or #b > DIFF_LINES_MAX
  local lengths = not long and common(a, b)
  local i, j = 1, 1
  while i <= #a or j <= #b do
    if not long and i <= #a and j <= #b and a[i] == b[j] then
      out[#out + 1] = "  " .. a[i]
      i, j = i + 1, j + 1
    elseif i <= #a and (long or j > #b or lengths[i + 1][j] >= lengths[i][j + 1]) then
      out[#out + 1] = "- " .. a[i]
      i = i + 1
    else
      out[#out + 1] = "+ " .. b[j]
      j = j + 1
    end
  end
  return table.concat(out, "\n")
end

return show
