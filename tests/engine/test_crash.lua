--- who_took_the_host_down_comes_after_the_others
return function(e)
  if e.attempt == 1 then zing.retry(1) end
  zing.publish('out', e.payload)
end

--- TELLS
return {['in/#'] = function(e) zing.http.get('http://h/') end,
  on_dead = function(e) zing.publish('told', e.payload) end}
