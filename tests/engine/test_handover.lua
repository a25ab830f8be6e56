--- traceparent_is_passed_on_unless_the_handler_gives_one
return function()
  zing.publish('a', '')
  zing.publish('b', '', {properties = {traceparent = 'mine'}})
end

--- a_handler_that_fails_hands_nothing_over
return function(e)
  zing.publish('two', 'x')
  zing.state.set('n', 1)
  zing.append('file', 'line')
  error('after all')
end

--- a_delayed_publish_leaves_at_its_time_also_after_a_crash
return function(e)
  zing.publish('later', 'after', {after = 60})
  zing.publish('later', 'at', {at = zing.now() + 30})
end
