--- what_a_handler_publishes_goes_to_the_host_of_its_key_in_the_same_commit
return function(e)
  if e.json.to then zing.publish('in', {k = e.json.to, v = 'b'}) end
  zing.state.set('seen', e.json.v)
end
