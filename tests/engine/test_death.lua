--- its_policy_publishes_what_dies_in_turn
return { ['in/a'] = function() end,
  on_dead = function(event) zing.publish('in/a', 'no JSON either') end }

--- what_the_handler_publishes_goes_before_what_its_dead_letters_policy_does
return { ['in/a'] = function()
    zing.dead_letter('letter', 'why')
    zing.publish('out', 'the handler')
  end,
  on_dead = function(event) zing.publish('out', 'the policy of ' .. event.payload) end }

--- the_key_waits_until_the_policy_has_run
return { ['in/a'] = function(event)
    if event.payload == 'bad' then error('never') end
    zing.publish('out', event.payload .. ' sees ' .. tostring(zing.state.get('told')))
  end,
  on_dead = function(event) zing.state.set('told', event.payload) end }
