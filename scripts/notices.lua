-- notices.lua - the service "notices": a broadcast. `share = no` in topics.conf gives every host each
-- message, not one of them: for what each has to do on its own, such as dropping what it cached.
--
--   practice/notice   any text; each host answers on practice/noticed with its own count

return function(event)
  local count = zing.state.incr("seen")
  zing.append("notices.log", (event.payload:gsub("%c", " ")))
  zing.publish("practice/noticed", {notice = event.payload, seen = count})
end
