--- CALLS
return function(e)
  local r = zing.http.get('http://peer/' .. e.payload)
  zing.publish('out', r.body)
end

--- a_handler_without_end_is_stopped_and_others_go_on
return function(e)
  if e.payload == 'bad' then while true do end end
  zing.publish('out', e.payload)
end

--- a_handler_that_allocates_without_end_is_stopped
return function(e)
  local t = {}
  while e.payload == 'bad' do t[#t + 1] = ('x'):rep(1000) .. #t end
end
