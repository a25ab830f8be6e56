-- Prints the names of the test kit, which editors are to know.
local t = test.handler("shop")
for name in pairs(getmetatable(t).__index) do
  if not name:find("^__") then print("t:" .. name) end
end
for name in pairs(test) do print("test." .. name) end
