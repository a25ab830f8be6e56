--- counts
return function(e)
  zing.publish('out/' .. e.service, zing.state.incr('n'))
end

--- echoes
return function(e) zing.publish('out', e.payload) end

--- calls
return function(e)
  local status = zing.http.post('http://peer/' .. e.payload, {body = 'x'}).status
  zing.publish('out', {attempt = e.attempt, status = status})
end
