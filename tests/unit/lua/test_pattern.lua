--- compare
--- Calls both with the same arguments; results and errors must be the same.
local function run(f, ...)
  local r = table.pack(pcall(f, ...))
  for i = 1, r.n do r[i] = tostring(r[i]):gsub('^[^:]*:%d+: ', ''):gsub("'%?'", "'x'") end
  return table.concat(r, '|')
end
local function all(lib)
  return function(s, p, init)
    local out = {}
    for w, x in lib.gmatch(s, p, init) do out[#out + 1] = tostring(w) .. ',' .. tostring(x) end
    return table.concat(out, ';')
  end
end
local own_all, lua_all = all(own), all(string)
function check(name, ...)
  local a, b
  if name == 'gmatch' then a, b = run(own_all, ...), run(lua_all, ...)
  else a, b = run(own[name], ...), run(string[name], ...) end
  a, b = a:gsub('bad argument.*', 'bad'), b:gsub('bad argument.*', 'bad')
  if a ~= b then
    error(string.format('%s(%q): own %q, lua %q', name,
      table.concat(table.pack(...), ', '), a, b), 0)
  end
end

--- pattern_functions_agree_on_examples
local texts = {'', 'a', 'hello world', 'key = value', '  trim  ', 'THE (quick) fox',
  'f(a(b)c)d', 'x=1, y=2', '2024-01-31', 'a.b.c', 'aaa', '[x]', 'a\0b', '\255\128'}
local patterns = {'', '.', 'a', 'l+', '^(%w+)%s*=%s*(%w+)$', '^%s*(.-)%s*$', '%b()',
  '%f[%w]%w+', '()%w()', '(%d+)-(%d+)-(%d+)', '[^%.]+', 'a-', 'a-$', '[]]', '[^]]',
  '[a-c%d]', '%.', '(a)%1', '%u+', '[%]]', 'a?b?c?', '.-o', 'x*', '%z', '[a-]', '$', '^',
  '^$', 'a^', '$a', '%$', '(', ')', '%', '[', '[a', '[^', '%b', '%bx', '%f', '%1', '(()',
  '[%', '(.)(.)(.)', '\0', '[\0-\31]', '%g+', '%c', '%x+', '%p', '%S+', '(%w)%w*%1', '%0'}
for _, s in ipairs(texts) do for _, p in ipairs(patterns) do
  for _, init in ipairs{1, 2, -1, 0, 100, -100} do
    check('find', s, p, init) check('match', s, p, init) check('gmatch', s, p, init)
    check('find', s, p, init, true)
  end
  for _, r in ipairs{'', '<%0>', '%1%1', '%%', '%2', '%', '%x', 5} do
    check('gsub', s, p, r) check('gsub', s, p, r, 1) check('gsub', s, p, r, 0)
  end
  check('gsub', s, p, function(a, b) return b or (a == 'a' and 'A') end)
  check('gsub', s, p, function(a) return {} end)
  check('gsub', s, p, {a = 'X', hello = false, [1] = 'one'})
end end
check('find') check('match', 'a') check('gsub', 'a', 'b') check('gsub', 'a', 'b', print, 'x')
check('gsub', 'a', 'b', nil) check('gmatch', {}, 'b')

--- pattern_functions_agree_on_random_input
math.randomseed(7)
local letters = {'a', 'b', '.', '%', '(', ')', '[', ']', '^', '$', '*', '+', '-', '?',
  '%a', '%1', '%b', '%f', '%w', '[ab]', '[^a]', '(a)', '()', 'x', '1'}
local function word(from, n)
  local t = {} for i = 1, math.random(0, n) do t[i] = from[math.random(#from)] end
  return table.concat(t)
end
local bytes = {'a', 'b', 'a', '(', ')', '[', '1', ' '}
for i = 1, 20000 do
  local s, p = word(bytes, 12), word(letters, 7)
  check('find', s, p) check('match', s, p, 2) check('gmatch', s, p)
  check('gsub', s, p, '<%0>', math.random(0, 5)) check('gsub', s, p, '%1')
end

--- pattern_depth_is_bounded_as_in_lua
local s = string.rep('a', 300)
check('find', s, string.rep('a?', 300))
check('find', s, string.rep('(a)', 33)) check('find', s, string.rep('(a)', 32))
check('find', s, string.rep('a-', 250) .. 'b')
