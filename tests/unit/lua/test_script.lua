--- script_load_names_file_and_line
local a
local b = = 1

--- script_require_loads_once_and_shares
local a, b = require('util'), require('util.lua')
assert(a == b and a.n == 1 and require('other') == true)
return function() zing.state.set('n', require('util').n) end

--- script_require_loads_once_and_shares_2
local n = 0
n = n + 1
return {n = n}

--- script_reload_follows_required_files_that_come_and_go
local m = require('m')
return function() zing.reject(m) end

--- script_sandbox_libraries_are_read_only
assert(getmetatable('') == 'string' and getmetatable(string) == 'read-only')
assert(getmetatable(event) == 'event')
assert(getmetatable(zing.json.null) == 'null')
assert(not pcall(function() getmetatable('').__index.rep = nil end))
for k, v in pairs(string) do assert(string[k] == v) end
for k, v in pairs(_G) do assert(_G[k] == v) end

--- script_sandbox_services_do_not_share_modules
local m = require('m')
m.n = m.n + 1
return function() zing.reject(m.n) end

--- script_sandbox_loads_text_only
assert(load('return 1 + 1')() == 2)
local f, e = load('return (')
assert(f == nil and e:find('unexpected symbol'))
local b, be = load('\27Lua', 'x', 'b') assert(b == nil and be:find('binary'))
assert(not pcall(load('x = 1')))
local env = {} load('x = 1', 'n', 't', env)() assert(env.x == 1)
assert(not pcall(load('return io')))
assert(not pcall(load, function() return nil end))

--- script_sandbox_has_no_finalizers
local mt = {} local t = setmetatable({}, mt)
mt.__gc = function() while true do end end
t = nil for i = 1, 20000 do local x = {i} end

--- script_sandbox_never_shows_its_own_coroutines
local co, main = coroutine.running()
assert(main and not coroutine.isyieldable())
assert(coroutine.status(co) == 'dead' and not coroutine.resume(co))
coroutine.close(co)
coroutine.wrap(function() local c, m = coroutine.running()
assert(not m and coroutine.status(c) == 'running' and coroutine.isyieldable()) end)()

--- script_coroutines_of_the_handler_work
local co = coroutine.create(function(a, b)
  local c = coroutine.yield(a + b) local d, e = coroutine.yield(c * 2)
  error('end ' .. d + e) end)
local ok, v = coroutine.resume(co, 1, 2) assert(ok and v == 3)
ok, v = coroutine.resume(co, 10) assert(ok and v == 20)
assert(coroutine.status(co) == 'suspended')
ok, v = coroutine.resume(co, 1, 2) assert(not ok and v:find('end 3'))
assert(coroutine.status(co) == 'dead' and not coroutine.resume(co))
local closed = false
co = coroutine.create(function() local x <close> = setmetatable({}, {__close =
  function() closed = true end}) coroutine.yield() end)
coroutine.resume(co) assert(coroutine.close(co) and closed)
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
assert(gen() == 1 and gen() == 2 and gen() == 3 and gen() == nil)
ok, v = pcall(gen) assert(not ok and v:find('dead coroutine'))
ok, v = pcall(coroutine.wrap(function() error({code = 1}) end))
assert(not ok and v.code == 1)
assert(select('#', xpcall(function(...) return ... end, print, 1, 2, 3)) == 4)
ok, v = xpcall(error, function(m) return 'handled ' .. m end, 'x')
assert(not ok and v == 'handled x')
assert(select('#', pcall(error)) == 2)

--- script_time_limit_holds_over_the_calls_of_an_attempt
while true do
for i = 1, 300000 do end
zing.http.get('http://h/') end

--- script_time_limit_leaves_nothing_behind_for_the_next
local co
return function(event)
if not co then
  co = coroutine.create(function() local x <close> = setmetatable({}, {__close =
  function() while true do end end}) while true do end end)
  coroutine.resume(co)
end
local ok, e = pcall(coroutine.close, co) zing.reject(e) end

--- script_memory_limit_raises_in_the_offender
local ok, e = pcall(string.rep, 'x', 1e9)
assert(not ok and e == 'not enough memory')
local t = {} for i = 1, 1000 do t[i] = i end

--- script_memory_comes_back_after_an_offender
if event.json.bomb then local t = {} while true do t[#t + 1] = {} end end
local s = string.rep(string.rep('x', 1000), 8000)

--- script_memory_may_fail_at_any_allocation
local j = event.json
zing.state.set('t', {list = j.list, name = event.topic .. j.x})
zing.state.incr('n', 2) zing.state.list('') zing.lock('l', {data = {a = 1}, ttl = 5})
zing.publish('a/' .. j.x, {id = event.id, p = event.properties}, {key = 'k',
  properties = {a = 'b'}})
local t = {} for i = 1, 20 do t['k' .. i] = tostring(i):rep(3) end
zing.append('f', zing.json.encode(t)) zing.json.decode(zing.json.encode(t))
local co = coroutine.wrap(function(...) coroutine.yield(...) end) co(1, 2)
pcall(error, {}) xpcall(error, tostring, 'x')
local s = ('a b c'):gsub('%w', function(c) return c .. c end)
local u = {} for w in s:gmatch('%w+') do u[#u + 1] = w end table.sort(u)
local r = zing.http.post('http://h/', {form = t, headers = {a = 'b'}})
return r.json().ok

--- script_deep_recursion_is_an_error
local s = string.rep('(', 500) .. '1' .. string.rep(')', 500)
error(select(2, load('return ' .. s)))
