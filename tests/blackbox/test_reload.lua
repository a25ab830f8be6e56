--- broken
return function()
  if then
end

--- a_script_that_others_require_reloads_them
local words = require('words')
return function() zing.publish('out', words.word) end
