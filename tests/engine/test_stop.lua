--- calls
return function(e)
  local status = zing.http.post('http://peer/' .. e.payload, {body = 'x'}).status
  zing.publish('out', {attempt = e.attempt, status = status})
end

--- calls_after_a_sleep
return function(e)
  zing.sleep('1s')
  zing.http.post('http://peer/', {body = 'x'})
  zing.publish('out', {attempt = e.attempt})
end
