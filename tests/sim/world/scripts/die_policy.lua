-- Lets go of what is to be let go.
return function(e)
  if e.payload:find('"let go"', 1, true) then return "discard" end
end
