test("it never ends", function()
  while true do end
end)
