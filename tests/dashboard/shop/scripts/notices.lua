-- notices.lua - tells the customer; now and then the line is busy.
return function(event)
  if event.attempt == 1 and event.json.order:byte(-1) % 5 == 0 then
    error("the line is busy")
  end
  zing.append("notices.txt", event.json.order)
end
