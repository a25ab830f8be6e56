-- A seat, which goes back when the money does not come.
return function(event)
  local saga = zing.saga()
  saga:step("seat", function() zing.publish("out/seat", "taken") return "A1" end,
            function(seat) zing.publish("out/seat", seat .. " back") end)
  if zing.wait("money") ~= "yes" then zing.reject("no money") end
end
