--- run_peek
local v = zing.peek('svc', event.json.key, 'taken')
zing.state.set('seen', {type = math.type(v) or type(v), v = v})

--- a_peek_that_cannot_wait_says_so
local keys = {'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7'}
local wrapped = coroutine.wrap(function()
  for _, key in ipairs(keys) do zing.peek('svc', key, 'taken') end
end)
wrapped()
