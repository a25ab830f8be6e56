--- CALLS
return function(e)
  local r = zing.http.get('http://peer/' .. e.payload)
  zing.publish('out', r.body)
end

--- KEEPS
return function(e)
  local kept = ('x'):rep(2 << 20)
  zing.http.get('http://peer/' .. e.payload)
  assert(#kept == 2 << 20)
end
