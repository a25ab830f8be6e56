-- A schedule's turn; see kind_tick.c.
return function(e)
  zing.publish("out/tick/" .. e.properties["zingq-schedule"], e.properties["zingq-tick"])
end
