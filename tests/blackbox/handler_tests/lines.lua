return function(events)
  zing.publish("counted", {count = #events})
end
