--- script
local work = {}
work['work/good'] = function(event) zing.publish('good/' .. event.json.key, event.payload) end
work['work/loop'] = function() while true do end end
work['work/guarded-loop'] = function() while true do pcall(function() while true do end end) end end
work['work/hoard'] = function() local t = {} for i = 1, 1e12 do t[i] = ('x'):rep(10000) .. i end end
work['work/long-string'] = function() local s = 'x' while true do s = s .. s end end
work['work/table'] = function() error({code = 7, what = 'no luck'}) end
work['work/nil'] = function() error() end
work['work/coroutine'] = function()
  assert(coroutine.resume(coroutine.create(function() error('deep down') end)))
end
work['work/wrap'] = function() coroutine.wrap(function() local x = nil + 1 end)() end
work['work/yield'] = function()
  coroutine.wrap(function() zing.http.get('http://127.0.0.1:1/') end)()
end
work['work/recursion'] = function() local function f() return 1 + f() end return f() end
work['work/global'] = function() oops = 1 end
work['work/publish'] = function() zing.publish('a/#', 'x') end
work['work/property'] = function()
  zing.publish('a', 'x', {properties = {why = 'two\nlines'}})
end
work['work/binary'] = function() error('\1\xff\n!') end
work['work/reject'] = function() zing.reject('not for us') end
return work
