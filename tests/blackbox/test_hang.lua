--- hang
return function(event)
  local text = (' '):rep(20000000)
  local call = load('local text, other = ... while true do ' .. event.payload .. ' end')
  call(text, text .. 'a')
end
