--- a_service_whose_state_takes_its_part_of_the_store_gets_an_error
return function(e)
  if e.payload == 'delete' then
    zing.state.delete('0')
    zing.state.delete('1')
  else
    zing.state.set(e.payload, ('x'):rep(100000))
  end
end

--- letters_that_a_service_makes_have_their_part_of_the_store
return function(e)
  zing.dead_letter(('x'):rep(50000), 'checked')
end

--- a_service_whose_publishes_fill_their_part_waits_for_the_broker
return function(e)
  zing.publish('out', ('x'):rep(30000))
end
