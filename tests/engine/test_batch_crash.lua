--- a_handler_that_is_given_up_does_not_run_again
return function(events)
  local last <close> = setmetatable({}, {__close = function()
    zing.append('closed', events[1].payload .. tostring(zing.state.get('n'))) end})
  zing.http.get('http://x/')
end

--- live_through
return function(events)
  local failed, done = {}, 0
  zing.http.get('http://x/')
  for i, e in ipairs(events) do
    if e.attempt == 1 and tonumber(e.payload) % 3 == 0 then failed[i] = 'later'
    else done = done + 1 end
  end
  zing.state.incr('done', done)
  return failed
end
