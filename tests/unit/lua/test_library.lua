--- library_json_counts_against_the_memory
local s = '[' .. ('[],'):rep(500000) .. '0]'
local ok, e = pcall(zing.json.decode, s)
assert(not ok and e == 'not enough memory', e)
assert(#zing.json.decode('[' .. ('1,'):rep(50000) .. '1]') == 50001)
assert(not pcall(zing.json.decode, '[' .. ('1,'):rep(50000) .. '1'))

--- library_chain_of_closing_coroutines_is_an_error
local coro
for i = 1, 5000 do
  local previous = coro
  coro = coroutine.create(function()
    local c <close> = setmetatable({}, {__close = function()
      if previous then assert(coroutine.close(previous)) end end})
    coroutine.yield()
  end)
  coroutine.resume(coro)
end
local ok, e = coroutine.close(coro)
assert(not ok and e:find('C stack overflow'), e)

--- library_sort_sorts
local function check(n, make, less)
  local t, count = {}, {}
  for i = 1, n do local v = make(i) t[i] = v count[v] = (count[v] or 0) + 1 end
  table.sort(t, less)
  assert(#t == n)
  for i = 1, n do
    if i > 1 then assert(not (less or function(a, b) return a < b end)(t[i], t[i - 1])) end
    count[t[i]] = count[t[i]] - 1
  end
  for _, left in pairs(count) do assert(left == 0) end
end
for n = 0, 70 do
  check(n, function(i) return i end)
  check(n, function(i) return -i end)
  check(n, function(i) return math.random(5) end)
  check(n, function(i) return tostring(math.random(100)) end)
  check(n, function(i) return math.random(9) end, function(a, b) return a > b end)
end
check(3000, function() return math.random() end)
local t = {3, 1, 2} table.sort(t, function() return true end)
table.sort(t) assert(table.concat(t) == '123')
t = {5, 3, 9, 1, 7} local n = 0
assert(not pcall(table.sort, t, function(a, b) n = n + 1 if n > 5 then error('x') end
  return a < b end))
table.sort(t) assert(table.concat(t) == '13579')
local ok, e = pcall(table.sort, {1, 'a'}) assert(not ok and e:find('compare'), e)
assert(not pcall(table.sort, {1, 2}, 5) and not pcall(table.sort, 5))

--- library_concat_in_parts_is_the_same
local t = {} for i = 1, 5000 do t[i] = i end
local s = '1' for i = 2, 5000 do s = s .. ', ' .. i end
assert(table.concat(t, ', ') == s)
for _, n in ipairs({0, 1, 1023, 1024, 1025, 2048, 2049}) do
  local a, b = table.concat(t, '', 1, n), {}
  for i = 1, n do b[i] = tostring(i) end
  local c = '' for i = 1, n do c = c .. b[i] end
  assert(a == c, n)
end
assert(table.concat({}) == '' and table.concat({1}, 'x') == '1')
assert(table.concat({1, 2, 3}, '-', 2) == '2-3')
t[3000] = {}
local ok, e = pcall(table.concat, t)
assert(not ok and e:find('index 3000'), e)
ok, e = pcall(table.concat, 5) assert(not ok and e:find('table expected'), e)

--- library_move_in_parts_is_the_same
local function check(n, to, other)
  local t, want = {}, {}
  for i = 1, n do t[i] = i end
  local into = other and {} or t
  for k, v in pairs(into) do want[k] = v end
  for i = 1, n do want[to + i - 1] = i end
  local got
  if other then got = table.move(t, 1, n, to, into)
  else got = table.move(t, 1, n, to) end
  assert(got == into)
  for k, v in pairs(want) do assert(into[k] == v, k) end
end
for _, n in ipairs({0, 1, 1024, 1025, 3000}) do
  for _, to in ipairs({1, 2, 500, 1500, 3500, -1, -500}) do
    check(n, to) check(n, to, true)
  end
end
assert(not pcall(table.move, {}, 1, math.maxinteger, 2))
assert(not pcall(table.move, {}, -1, math.maxinteger, 2))

--- library_format_in_parts_is_the_same
local t, want = {}, ''
for i = 1, 200 do t[i] = i want = want .. ('<%3d%%>'):format(i) end
assert(('<%3d%%>'):rep(200):format(table.unpack(t)) == want)
assert(('%s'):format('a', table.unpack(t)) == 'a')
assert(not pcall(string.format, ('%d'):rep(201), table.unpack(t)))
local ok, e = pcall(string.format, ('%d'):rep(100) .. '%', table.unpack(t))
assert(not ok and e:find('invalid conversion'), e)

--- library_rep_is_the_same
assert(('ab'):rep(3) == 'ababab' and ('ab'):rep(3, '-') == 'ab-ab-ab')
assert(('ab'):rep(0) == '' and ('ab'):rep(-1) == '' and ('ab'):rep(1, '-') == 'ab')
assert((''):rep(3, '-') == '--' and (''):rep(1e15) == '')
for n = 1, 70 do
  local s = 'x' for i = 2, n do s = s .. ',yx' end
  assert(('x'):rep(n, ',y') == s, n)
end
local ok, e = pcall(string.rep, 'abc', math.maxinteger)
assert(not ok and e:find('too large'), e)

--- library_utf8_len_in_parts_is_the_same
for _, c in ipairs({'x', '\u{e4}', '\u{20ac}', '\u{1f600}'}) do
  for pad = 0, 4 do
    local s = ('.'):rep(pad) .. c:rep(200000 // #c)
    assert(utf8.len(s) == pad + 200000 // #c, #c)
    assert(utf8.len(s, pad + 1) == 200000 // #c)
    local n, at = utf8.len(s .. '\x80' .. s)
    assert(n == nil and at == #s + 1, at)
  end
end
local s = ('x'):rep(65535) .. '\u{e4}' .. ('x'):rep(100000)
assert(utf8.len(s) == 165536)
local n, at = utf8.len(('x'):rep(65535) .. '\xc3\xa4\xa4' .. ('x'):rep(100000))
assert(n == nil and at == 65538, at)
n, at = utf8.len(('x'):rep(200000) .. '\xe2\x82')
assert(n == nil and at == 200001)
local lax = utf8.char(0x7fffffff):rep(50000)
assert(utf8.len(lax, 1, -1, true) == 50000 and utf8.len(lax) == nil)
assert(not pcall(utf8.len, 'abc', 9) and utf8.len('abc', 4) == 0)
